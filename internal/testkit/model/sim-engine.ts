import { type Accept, makeAccept } from '../../dispatch/accept.ts'
import { type Cancel, makeCancel } from '../../dispatch/cancel.ts'
import { makeDeliver } from '../../dispatch/deliver.ts'
import { withFallback } from '../../dispatch/fallback-broker.ts'
import { makePublish } from '../../dispatch/publish.ts'
import { makeReplay, type Replay } from '../../dispatch/replay.ts'
import { makeScan } from '../../dispatch/scan.ts'
import { makeSettle } from '../../dispatch/settle.ts'
import { makeWorker } from '../../dispatch/worker.ts'
import { channels } from '../../domain/notification.ts'
import { MemoryBroker } from '../../embedded/memory-broker.ts'
import type { RateLimiter } from '../../port/rate-limiter.ts'
import { anId } from '../builders.ts'
import type { Random } from '../random.ts'
import { RecordingTelemetry, silentLogger } from '../telemetry.ts'
import type { SimBroker } from './sim-broker.ts'
import type { SimDatabase } from './sim-database.ts'
import type { SimProcess } from './sim-process.ts'
import type { SimTarget } from './sim-target.ts'
import { clockOf, type VirtualClock } from './virtual-clock.ts'

export interface Surroundings {
  readonly time: VirtualClock
  readonly random: Random
  readonly database: SimDatabase
  readonly broker: SimBroker
  readonly target: SimTarget
  readonly rateLimiter: RateLimiter
}

export interface Engine {
  readonly accept: Accept
  readonly cancel: Cancel
  readonly replay: Replay
  /** Resolves when a graceful stop is through. */
  stop(): Promise<void>
}

export const simSettings = { leaseMs: 30_000, jobTimeoutMs: 10_000, stopBudgetMs: 15_000 } as const
const retry = { baseDelayMs: 1_000, maxDelayMs: 8_000, maxJitterMs: 250 }

/** The real use cases of one process, put together as the program does, over a simulated world. */
export async function startEngine(process: SimProcess, world: Surroundings): Promise<Engine> {
  const { time, random } = world
  const clock = clockOf(time, (ms, wake) => process.hop(ms, wake))
  const store = world.database.seenBy(process)
  const telemetry = new RecordingTelemetry()
  const logger = silentLogger
  const local = new MemoryBroker({ clock, telemetry, logger })
  const broker = withFallback(world.broker.seenBy(process), local)
  const rateLimiter: RateLimiter = {
    take: async (...args) => {
      const permits = await world.rateLimiter.take(...args)
      return process.call((answer) => answer(random.between(0, 5), () => permits))
    },
  }
  const publish = makePublish({ broker })
  const scan = makeScan(
    { store, rateLimiter, publish, clock, telemetry, logger, mayRelease: () => true },
    { intervalMs: 5_000, limit: 20, sweeps: true },
  )
  const wakeScanIn = (ms: number) => scan.wakeIn(ms)
  const giveUp = new AbortController()
  const common = { store, clock, telemetry, logger, wakeScanIn, giveUp: giveUp.signal }
  const settle = makeSettle(common, { maxInFlight: 2 })
  const deliver = makeDeliver(
    { ...common, provider: world.target.seenBy(process), settle, random: () => random.next() },
    { jobTimeoutMs: simSettings.jobTimeoutMs, retry },
  )
  // Where sends need no permit, rows begin in the step that stores them.
  const unpaced = new Set(random.chance(0.5) ? channels : [])
  const worker = makeWorker(
    { ...common, rateLimiter, deliver, broker },
    { concurrency: 4, leaseMs: simSettings.leaseMs, owner: process.name, unpaced },
  )
  await local.start()
  await worker.start()
  await scan.start()
  return {
    accept: makeAccept(
      { ...common, publish, starter: worker, newId: anId, hash: (body) => body },
      { maxInFlight: 2, maxWaitingRows: 1_000 },
    ),
    cancel: makeCancel({ store }),
    replay: makeReplay({ store, publish }),
    async stop() {
      process.hop(simSettings.stopBudgetMs, () => giveUp.abort(new Error('stopping')))
      await Promise.all([worker.stop(), scan.stop()])
      await local.stop()
    },
  }
}
