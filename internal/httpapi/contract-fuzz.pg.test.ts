import { createHash } from 'node:crypto'
import { v7 } from 'uuid'
import { z } from 'zod'
import { makeAccept } from '../dispatch/accept.ts'
import { makeCancel } from '../dispatch/cancel.ts'
import { makeQueries } from '../dispatch/query.ts'
import { makeReplay } from '../dispatch/replay.ts'
import { systemClock } from '../lifecycle/system-clock.ts'
import { openTestDatabase } from '../testkit/database.ts'
import { RecordingTelemetry } from '../testkit/telemetry.ts'
import { plain, setup } from './app.suite.ts'
import { contractFuzz } from './contract-fuzz.suite.ts'

const batchAnswer = z.object({ batchId: z.string(), notifications: z.array(z.object({ id: z.string() })) })

// PostgreSQL must never refuse what validation let pass: one such row would undo the whole group it is stored with.
contractFuzz('over PostgreSQL', 15, async () => {
  const database = await openTestDatabase()
  const { store } = database
  const publish = async () => undefined
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  const deps = { store, publish, telemetry: new RecordingTelemetry(), clock: systemClock, newId: () => v7(), hash }
  const { send, post } = setup({
    deps: {
      accept: makeAccept({ ...deps, wakeScanIn: () => undefined }, { maxInFlight: 2, maxWaitingRows: 1_000 }),
      cancel: makeCancel({ store }),
      replay: makeReplay({ store, publish }),
      queries: makeQueries(store),
      clock: systemClock,
    },
  })
  const made = await post('/v1/notifications/batch', { notifications: [plain] })
  const { batchId, notifications } = batchAnswer.parse(await made.json())
  const ids = { id: notifications[0]?.id ?? '', batchId }
  return { send, ids, refusesAll: ['replayNotification'], close: () => database.drop() }
})
