import { Logger, makeWorkerUtils, run, type WorkerUtils } from 'graphile-worker'
import pg from 'pg'
import type { Notification } from '../deliver.ts'
import type { OpenPeer } from './peer.ts'

const identifier = 'deliver'
const quiet = new Logger(() => () => undefined)

/** graphile-worker with the preset of its own performance test: a local queue of 500, completions in batches. */
export const openGraphileWorker: OpenPeer = async ({ databaseUrl, concurrency, deliver }) => {
  const poolMax = 25
  const pool = new pg.Pool({ connectionString: databaseUrl, max: poolMax })
  pool.on('error', (error) => console.error(error))
  const utils: WorkerUtils = await makeWorkerUtils({ pgPool: pool, logger: quiet })
  await utils.migrate()
  const runner = await run({
    preset: {
      worker: {
        concurrentJobs: concurrency,
        maxPoolSize: poolMax,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
    pgPool: pool,
    logger: quiet,
    noHandleSignals: true,
    taskList: {
      [identifier]: (payload) => deliver(asNotification(payload)),
    },
  })
  return {
    add: (one) => utils.addJob(identifier, one, { maxAttempts: 5 }),
    addMany: (all) => utils.addJobs(all.map((payload) => ({ identifier, payload, maxAttempts: 5 }))),
    async unfinished() {
      const found = await pool.query<{ left: number }>(
        'SELECT count(*)::int AS left FROM graphile_worker._private_jobs',
      )
      return found.rows[0]?.left ?? 0
    },
    async close() {
      await runner.stop()
      await utils.release()
      await pool.end()
    },
  }
}

/** The library hands out what it was given; a look is enough. */
function asNotification(payload: unknown): Notification {
  if (isNotification(payload)) return payload
  throw new TypeError('expected a notification')
}

function isNotification(payload: unknown): payload is Notification {
  return typeof payload === 'object' && payload !== null && 'id' in payload && 'content' in payload
}
