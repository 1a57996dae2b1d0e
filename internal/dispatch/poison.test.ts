import { describe, expect, it } from 'vitest'
import { MemoryBroker } from '../embedded/memory-broker.ts'
import { MemoryRateLimiter } from '../embedded/memory-rate-limiter.ts'
import { Failpoints } from '../failpoint/failpoints.ts'
import { failingProvider } from '../failpoint/provider.ts'
import { limitsOf } from '../port/conformance/rate-limiter.suite.ts'
import type { Provider } from '../port/provider.ts'
import { aNotification } from '../testkit/builders.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { ModelStore } from '../testkit/model-store.ts'
import { silentLogger as logger, RecordingTelemetry } from '../testkit/telemetry.ts'
import { makeDeliver } from './deliver.ts'
import { makePublish } from './publish.ts'
import { makeScan } from './scan.ts'
import { makeSettle } from './settle.ts'
import { makeWorker } from './worker.ts'

const leaseMs = 30_000
const seeded = { state: 1 }
/** Uniform enough, and the same in every run. */
const random = () => (seeded.state = (seeded.state * 16_807) % 2_147_483_647) / 2_147_483_647
const kill = { action: { kind: 'kill' }, content: 'POISON', probability: 1, nth: null } as const

/** A process that a failpoint can end: from then on nothing it asks for is answered, and nothing it does counts. */
class MortalProcess {
  readonly publish: ReturnType<typeof makePublish>
  readonly #store: ModelStore
  isAlive = true

  constructor(
    store: ModelStore,
    clock: ManualClock,
    { sent, concurrency }: { readonly sent: string[]; readonly concurrency: number },
  ) {
    this.#store = store
    const telemetry = new RecordingTelemetry()
    const broker = new MemoryBroker({ clock, telemetry, logger })
    this.publish = makePublish({ broker })
    const rateLimiter = new MemoryRateLimiter(limitsOf({ perSecond: 0, burst: 1 }), clock)
    const mortal = this.#mortalStore()
    const failpoints = new Failpoints(
      { rules: [{ ...kill, point: 'send.afterBytes' }], seed: 1 },
      { logger, clock, kill: () => void (this.isAlive = false) },
    )
    const provider: Provider = {
      name: 'model',
      async send({ content }) {
        sent.push(content)
        await clock.sleep(20)
        return { kind: 'accepted', providerMessageId: null, statusCode: 200, responseExcerpt: null }
      },
    }
    const scan = makeScan(
      {
        random,
        store: mortal,
        rateLimiter,
        publish: this.publish,
        clock,
        telemetry,
        logger,
        mayRelease: () => this.isAlive,
      },
      { intervalMs: 5_000, limit: 100, sweeps: true },
    )
    const wakeScanIn = (ms: number) => scan.wakeIn(ms)
    const giveUp = new AbortController().signal
    const common = { store: mortal, clock, telemetry, logger, wakeScanIn, giveUp }
    const settle = makeSettle(common, { maxInFlight: 2 })
    const deliver = makeDeliver(
      { ...common, provider: failingProvider(provider, failpoints), settle, random: () => 0 },
      { jobTimeoutMs: 10_000, retry: { baseDelayMs: 1_000, maxDelayMs: 60_000, maxJitterMs: 0 } },
    )
    const owner = `process at ${clock.monotonicMs()}`
    const worker = makeWorker(
      { ...common, rateLimiter, deliver, broker },
      { concurrency, leaseMs, owner, unpaced: new Set() },
    )
    void broker
      .start()
      .then(() => worker.start())
      .then(() => scan.start())
  }

  #mortalStore() {
    const store = this.#store
    const alive = <T>(call: () => Promise<T>): Promise<T> =>
      this.isAlive ? call() : new Promise<never>(() => undefined)
    return {
      claim: (...args: Parameters<ModelStore['claim']>) => alive(() => store.claim(...args)),
      settle: (...args: Parameters<ModelStore['settle']>) => alive(() => store.settle(...args)),
      lateSuccess: (...args: Parameters<ModelStore['lateSuccess']>) => alive(() => store.lateSuccess(...args)),
      release: (...args: Parameters<ModelStore['release']>) => alive(() => store.release(...args)),
      defer: (...args: Parameters<ModelStore['defer']>) => alive(() => store.defer(...args)),
      countDue: (...args: Parameters<ModelStore['countDue']>) => alive(() => store.countDue(...args)),
      releaseDue: (...args: Parameters<ModelStore['releaseDue']>) => alive(() => store.releaseDue(...args)),
      expireDue: (...args: Parameters<ModelStore['expireDue']>) => alive(() => store.expireDue(...args)),
      nextDueInMs: (...args: Parameters<ModelStore['nextDueInMs']>) => alive(() => store.nextDueInMs(...args)),
      sweepOrphans: (...args: Parameters<ModelStore['sweepOrphans']>) => alive(() => store.sweepOrphans(...args)),
    }
  }
}

type Item = ReturnType<typeof aNotification>

/** Accepts each group at once, one group every 100 ms, and starts a new process within a second of each end. */
async function run(groups: readonly (readonly Item[])[], concurrency = 4) {
  const clock = new ManualClock()
  const store = new ModelStore(() => clock.monotonicMs())
  const sent: string[] = []
  let process = new MortalProcess(store, clock, { sent, concurrency })
  let deaths = 0
  const doneAtSeconds = new Map<string, number>()
  const startMs = clock.monotonicMs()
  const waiting = [...groups]
  while ((waiting.length > 0 || store.unfinished > 0) && clock.monotonicMs() - startMs < 900_000) {
    const next = waiting.shift()
    if (next !== undefined) {
      await store.accept([next])
      void process.publish(next.map(({ channel, priority, id }) => ({ channel, priority, id, leaseToken: 0 })))
    }
    await clock.advance(waiting.length > 0 ? 100 : 500)
    for (const { id, status } of store.rows.values()) {
      const isDone = status === 'SENT' || status === 'FAILED'
      if (isDone && !doneAtSeconds.has(id)) doneAtSeconds.set(id, (clock.monotonicMs() - startMs) / 1_000)
    }
    if (process.isAlive) continue
    deaths++
    process = new MortalProcess(store, clock, { sent, concurrency })
  }
  return { store, sent, deaths, doneAtSeconds }
}

describe('a notification that ends the process at each delivery', () => {
  it('ends as FAILED after its budget, its outcome unknown, and the others get through', async () => {
    const poison = aNotification({ content: 'POISON', maxRetries: 3 })
    const others = Array.from({ length: 40 }, () => aNotification({ maxRetries: 5 }))
    const { store, sent, deaths, doneAtSeconds } = await run(
      [...others.slice(0, 20), poison, ...others.slice(20)].map((one) => [one]),
    )
    expect(store.rows.get(poison.id)).toMatchObject({
      status: 'FAILED',
      reason: 'retry_exhausted',
      outcomeUnknown: true,
      attemptCount: 3,
    })
    expect(deaths).toBe(3)
    expect(sent.filter((content) => content === 'POISON')).toHaveLength(3)
    for (const { id } of others) expect(store.rows.get(id)?.status).toBe('SENT')
    // The poison takes three leases; nobody else waits for more than one (claimed with it) and a look-again time.
    const slowest = Math.max(...others.map(({ id }) => doneAtSeconds.get(id) ?? Number.POSITIVE_INFINITY))
    expect(slowest).toBeLessThan((doneAtSeconds.get(poison.id) ?? 0) - leaseMs / 1_000)
  })

  it('does not take those along that were claimed with it, even with the same budget', async () => {
    const poison = aNotification({ content: 'POISON', maxRetries: 5 })
    const others = Array.from({ length: 40 }, () => aNotification({ maxRetries: 5 }))
    const { store, deaths } = await run([[...others.slice(0, 20), poison, ...others.slice(20)]], 16)
    expect(store.rows.get(poison.id)).toMatchObject({ status: 'FAILED', reason: 'retry_exhausted' })
    expect(deaths).toBe(5)
    const failed = others.filter(({ id }) => store.rows.get(id)?.status !== 'SENT')
    expect(failed).toEqual([])
  })
})
