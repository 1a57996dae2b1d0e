import { describe, expect, it } from 'vitest'
import { MemoryBroker } from '../embedded/memory-broker.ts'
import { MemoryRateLimiter } from '../embedded/memory-rate-limiter.ts'
import { limitsOf } from '../port/conformance/rate-limiter.suite.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { ModelStore } from '../testkit/model-store.ts'
import { RecordingTelemetry, silentLogger } from '../testkit/telemetry.ts'
import { makeDeliver } from './deliver.ts'
import { makePublish } from './publish.ts'
import { makeScan } from './scan.ts'
import { makeSettle } from './settle.ts'
import { makeWorker } from './worker.ts'

const lane = { channel: 'SMS', priority: 'NORMAL' } as const
const ratePerSecond = 50

/** One process over a model of the rows: real broker, limiter, worker and scan, on a clock that the test moves. */
async function setup() {
  const clock = new ManualClock()
  const telemetry = new RecordingTelemetry()
  const logger = silentLogger
  const store = new ModelStore(() => clock.monotonicMs())
  const broker = new MemoryBroker({ clock, telemetry, logger })
  const rateLimiter = new MemoryRateLimiter(limitsOf({ perSecond: ratePerSecond, burst: ratePerSecond }), clock)
  const counted = { published: 0, sent: 0 }
  const publish = makePublish({
    broker: {
      publish(envelope) {
        counted.published += envelope.refs.length
        return broker.publish(envelope)
      },
    },
  })
  const scan = makeScan(
    { store, rateLimiter, publish, clock, telemetry, logger, mayRelease: () => true },
    { intervalMs: 5_000, limit: 100, sweeps: true },
  )
  const wakeScanIn = (ms: number) => scan.wakeIn(ms)
  const deliver = makeDeliver(
    {
      store,
      provider: {
        name: 'model',
        async send() {
          counted.sent++
          await clock.sleep(20)
          return { kind: 'accepted', providerMessageId: null, statusCode: 200, responseExcerpt: null }
        },
      },
      settle: makeSettle({ store, clock, telemetry, logger, giveUp: new AbortController().signal }, { maxInFlight: 2 }),
      clock,
      giveUp: new AbortController().signal,
      telemetry,
      logger,
      random: () => 0,
      wakeScanIn,
    },
    { jobTimeoutMs: 10_000, retry: { baseDelayMs: 1_000, maxDelayMs: 60_000, maxJitterMs: 0 } },
  )
  const worker = makeWorker(
    { store, rateLimiter, deliver, broker, clock, telemetry, logger, wakeScanIn },
    { concurrency: 16, leaseMs: 60_000, owner: 'model', unpaced: new Set() },
  )
  await broker.start()
  await worker.start()
  await scan.start()
  const accept = (count: number) => publish(store.add(lane, count))
  return { clock, store, counted, accept }
}

describe('backlog', () => {
  it('drains at 80 % load without losing rate, every row sent once, with few copies', async () => {
    const { clock, store, counted, accept } = await setup()
    await accept(3_000)
    let seconds = 0
    for (; store.unfinished > 0 && seconds < 600; seconds++) {
      if (seconds < 200) await accept(ratePerSecond * 0.8)
      await clock.advance(1_000)
    }
    const rows = store.rows.size
    expect(store.unfinished).toBe(0)
    expect(counted.sent).toBe(rows)
    // The whole rate is used: a backlog is not drained slower because rows are looked at again.
    expect(seconds).toBeLessThanOrEqual(Math.ceil(rows / ratePerSecond) + 5)
    // Without the time to live of copies and the pace of the scan, copies breed copies and the backlog never drains.
    expect(counted.published / rows).toBeLessThanOrEqual(1.5)
  })
})
