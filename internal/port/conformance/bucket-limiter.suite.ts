import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../../testkit/eventually.ts'
import { type BucketGrant, type BucketLimiter, type BucketRequest, slotLookAgainMs } from '../bucket-limiter.ts'
import type { Bucket } from '../outlet.ts'

export interface BucketLimiterHarness {
  readonly limiter: BucketLimiter
  /** The time by which the limiter paces, or one that runs alike. */
  readonly nowMs: () => number
  /** Lets time pass: a manual clock moves, a real one is waited for (the suite asks for well under a second). */
  readonly pass: (ms: number) => Promise<void>
  readonly close: () => Promise<void>
}

export function aRate(change: Partial<Bucket & { readonly kind: 'rate' }> = {}): Bucket {
  // So slow that no permit comes back while a test runs: results are exact on a real clock too.
  return { kind: 'rate', scope: 'connection', limit: 1, perMs: 100_000, burst: 5, cost: 'message', ...change }
}

export function aRequest(buckets: readonly Bucket[], change: Partial<BucketRequest> = {}): BucketRequest {
  return { connection: 'twilio', buckets, recipientKey: 'r1', segments: 1, holdMs: 60_000, ...change }
}

export interface TimedGrant {
  readonly askedMs: number
  readonly answeredMs: number
}

/**
 * The most that any window held beyond what the rate gives it. Each grant happened at some moment between question and
 * answer, so only those that surely lie within a window count.
 */
export function mostBeyondRate(grants: readonly TimedGrant[], perSecond: number): number {
  let most = 0
  for (const first of grants) {
    for (const last of grants) {
      if (last.answeredMs < first.answeredMs) continue
      const inside = grants.filter((one) => one.askedMs >= first.askedMs && one.answeredMs <= last.answeredMs).length
      most = Math.max(most, inside - ((last.answeredMs - first.askedMs) * perSecond) / 1_000)
    }
  }
  return most
}

/** What every {@link BucketLimiter} must do; `open` gives a fresh one, whose buckets nobody else uses. */
export function bucketLimiterConformance(name: string, open: () => Promise<BucketLimiterHarness>): void {
  describe(`${name} keeps the bucket limiter's contract`, () => {
    const opened: BucketLimiterHarness[] = []
    async function setup(): Promise<BucketLimiterHarness> {
      const harness = await open()
      opened.push(harness)
      return harness
    }
    afterEach(async () => {
      for (const harness of opened.splice(0)) await harness.close()
    })

    it('grants the burst, then refuses and says how long', async () => {
      const { limiter } = await setup()
      expect(await grantsOf(limiter, aRequest([aRate()]), 9)).toBe(5)
      const refused = await limiter.take(aRequest([aRate()]))
      expect(refused).toMatchObject({ kind: 'refused', scope: 'connection', degraded: false })
      expect(waitOf(refused)).toBeGreaterThan(60_000)
      expect(waitOf(refused)).toBeLessThanOrEqual(100_000)
    })

    it('takes nothing from any bucket of a send that one of them refuses', async () => {
      const { limiter } = await setup()
      const full = aRequest([aRate({ burst: 3 }), aRate({ burst: 1, perMs: 200_000 })])
      expect(await grantsOf(limiter, full, 4)).toBe(1)
      expect(await grantsOf(limiter, aRequest([aRate({ burst: 3 })]), 9)).toBe(2)
    })

    it('tells the longest wait of all its buckets, and whose it is', async () => {
      const { limiter } = await setup()
      const buckets = [aRate({ burst: 1 }), aRate({ burst: 1, perMs: 300_000, scope: 'recipient' })]
      await limiter.take(aRequest(buckets))
      const refused = await limiter.take(aRequest(buckets))
      expect(refused).toMatchObject({ kind: 'refused', scope: 'recipient' })
      expect(waitOf(refused)).toBeGreaterThan(200_000)
    })

    it('counts each recipient and each connection by itself', async () => {
      const { limiter } = await setup()
      const buckets = [aRate({ burst: 1, scope: 'recipient' })]
      expect(await grantsOf(limiter, aRequest(buckets), 2)).toBe(1)
      expect(await grantsOf(limiter, aRequest(buckets, { recipientKey: 'r2' }), 2)).toBe(1)
      expect(await grantsOf(limiter, aRequest(buckets, { connection: 'other' }), 2)).toBe(1)
    })

    it('grants many who ask at once what it would grant one after the other', async () => {
      const { limiter } = await setup()
      const buckets = [
        aRate({ burst: 9, cost: 'segments' }),
        aRate({ burst: 2, scope: 'recipient' }),
        { kind: 'concurrency', limit: 4 } as const,
      ]
      const ask = (count: number, change: Partial<BucketRequest>) =>
        Array.from({ length: count }, () => limiter.take(aRequest(buckets, change)))
      const [one, two, other, three] = await Promise.all([
        Promise.all(ask(3, { segments: 3 })),
        Promise.all(ask(3, { recipientKey: 'r2' })),
        Promise.all(ask(5, { connection: 'other', recipientKey: 'r2' })),
        Promise.all(ask(2, { recipientKey: 'r3' })),
      ])
      const kindsOf = (grants: readonly BucketGrant[]) => grants.map(({ kind }) => kind.slice(0, 1)).join('')
      expect([one, two, other, three].map(kindsOf)).toEqual(['ggr', 'ggr', 'ggrrr', 'rr'])
      expect(three.map(waitOf)).toEqual([slotLookAgainMs, slotLookAgainMs])
      const ids = [...one, ...two].flatMap((grant) => (grant.kind === 'granted' ? [grant.slot?.id] : []))
      expect(new Set(ids).size).toBe(4)
    })

    it('takes as many permits as the message has segments where they are counted', async () => {
      const { limiter } = await setup()
      const buckets = [aRate({ burst: 7, cost: 'segments' }), aRate({ burst: 7, perMs: 50_000 })]
      expect(await grantsOf(limiter, aRequest(buckets, { segments: 3 }), 5)).toBe(2)
      expect(await grantsOf(limiter, aRequest(buckets, { segments: 1 }), 5)).toBe(1)
    })

    it('lets a message of more segments than the burst pass once the bucket is full, and makes others pay', async () => {
      const { limiter } = await setup()
      const buckets = [aRate({ burst: 2, cost: 'segments' })]
      expect(await grantsOf(limiter, aRequest(buckets, { segments: 6 }), 2)).toBe(1)
      const refused = await limiter.take(aRequest(buckets))
      expect(waitOf(refused)).toBeGreaterThan(450_000)
      expect(waitOf(refused)).toBeLessThanOrEqual(500_000)
    })

    it('holds no more sends under way than the limit, until one is given back', async () => {
      const { limiter } = await setup()
      const request = aRequest([{ kind: 'concurrency', limit: 2 }])
      const [one] = [await limiter.take(request), await limiter.take(request)]
      expect(await limiter.take(request)).toEqual({
        kind: 'refused',
        waitMs: slotLookAgainMs,
        scope: 'connection',
        degraded: false,
      })
      if (one?.kind !== 'granted' || one.slot === null) throw new Error('a place was to be granted')
      limiter.giveBack(one.slot)
      limiter.giveBack(one.slot)
      await eventually(async () => expect((await limiter.take(request)).kind).toBe('granted'))
      expect((await limiter.take(request)).kind).toBe('refused')
    })

    it('frees the places of a process that died', async () => {
      const { limiter, pass } = await setup()
      const request = aRequest([{ kind: 'concurrency', limit: 1 }], { holdMs: 200 })
      expect(await grantsOf(limiter, request, 2)).toBe(1)
      await pass(250)
      expect(await grantsOf(limiter, request, 2)).toBe(1)
    })

    it('grants nothing beyond limit and burst to many who ask at once, over and over', async () => {
      const { limiter, nowMs, pass } = await setup()
      const request = aRequest([aRate({ limit: 100, perMs: 1_000, burst: 7 })])
      const grants: TimedGrant[] = []
      for (let round = 0; round < 10; round++) {
        const askedMs = nowMs()
        const answers = await Promise.all(Array.from({ length: 12 }, () => limiter.take(request)))
        const answeredMs = nowMs()
        for (const answer of answers) if (answer.kind === 'granted') grants.push({ askedMs, answeredMs })
        await pass(20)
      }
      expect(grants.length).toBeGreaterThanOrEqual(7)
      expect(mostBeyondRate(grants, 100)).toBeLessThanOrEqual(7)
    })

    it('shows how full its buckets are without taking from them', async () => {
      const { limiter } = await setup()
      const buckets = [
        aRate({ burst: 2 }),
        aRate({ scope: 'recipient' }),
        { kind: 'concurrency', limit: 3 } as const,
        aRate({ perMs: 50_000 }),
      ]
      const unused = [
        { inUse: 0, nextInMs: 0 },
        { inUse: null, nextInMs: null },
        { inUse: 0, nextInMs: 0 },
        { inUse: 0, nextInMs: 0 },
      ]
      expect(await limiter.use('twilio', buckets)).toEqual(unused)
      await limiter.take(aRequest(buckets))
      await limiter.take(aRequest(buckets))
      for (let asked = 0; asked < 2; asked++) {
        const [first, ...others] = await limiter.use('twilio', buckets)
        expect(first?.inUse).toBe(2)
        expect(first?.nextInMs).toBeGreaterThan(60_000)
        expect(others.map(({ inUse }) => inUse)).toEqual([null, 2, 2])
      }
    })
  })
}

async function grantsOf(limiter: BucketLimiter, request: BucketRequest, asked: number): Promise<number> {
  let granted = 0
  for (let at = 0; at < asked; at++) if ((await limiter.take(request)).kind === 'granted') granted++
  return granted
}

function waitOf(grant: BucketGrant): number {
  return grant.kind === 'refused' ? grant.waitMs : 0
}
