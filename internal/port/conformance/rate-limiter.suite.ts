import { afterEach, describe, expect, it } from 'vitest'
import { byChannel, channels } from '../../domain/notification.ts'
import type { Limit, Limits, RateLimiter } from '../rate-limiter.ts'

export interface RateLimiterHarness {
  readonly limiter: RateLimiter
  /** The time by which the limiter paces, or one that runs alike. */
  readonly nowMs: () => number
  /** Lets time pass: a manual clock moves, a real one is waited for (the suite asks for well under a second). */
  readonly pass: (ms: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** One limit for every purpose and channel. */
export function limitsOf(limit: Limit): Limits {
  const perChannel = byChannel(() => limit)
  return { send: perChannel, release: perChannel }
}

/** So slow that no permit comes back while a test runs: results are exact on a real clock too. */
const standing = { perSecond: 0.01, burst: 5 } as const

/** What every {@link RateLimiter} must do; `open` gives a fresh one, whose buckets nobody else uses. */
export function rateLimiterConformance(name: string, open: (limits: Limits) => Promise<RateLimiterHarness>): void {
  describe(`${name} keeps the rate limiter's contract`, () => {
    const opened: RateLimiterHarness[] = []
    async function setup(limit: Limit): Promise<RateLimiterHarness> {
      const harness = await open(limitsOf(limit))
      opened.push(harness)
      return harness
    }
    afterEach(async () => {
      for (const harness of opened.splice(0)) await harness.close()
    })

    it('grants the burst at once, then refuses and says how long', async () => {
      const { limiter } = await setup(standing)
      expect(await limiter.take('send', 'SMS', 5)).toEqual({ granted: 5, retryAfterMs: 0, degraded: false })
      const refused = await limiter.take('send', 'SMS', 1)
      expect(refused).toMatchObject({ granted: 0, degraded: false })
      expect(refused.retryAfterMs).toBeGreaterThan(60_000)
      expect(refused.retryAfterMs).toBeLessThanOrEqual(100_000)
    })

    it('grants a part when not all that is wanted fits', async () => {
      const { limiter } = await setup(standing)
      expect((await limiter.take('send', 'SMS', 2)).granted).toBe(2)
      const partly = await limiter.take('send', 'SMS', 10)
      expect(partly.granted).toBe(3)
      expect(partly.retryAfterMs).toBeGreaterThan(0)
    })

    it('takes nothing from the bucket for what it refuses', async () => {
      const { limiter, pass } = await setup({ perSecond: 5, burst: 1 })
      let refused = await limiter.take('send', 'SMS', 1_000)
      for (let asked = 0; asked < 5; asked++) refused = await limiter.take('send', 'SMS', 1_000)
      expect(refused.retryAfterMs).toBeLessThanOrEqual(200)
      await pass(refused.retryAfterMs)
      expect((await limiter.take('send', 'SMS', 1)).granted).toBe(1)
    })

    it('gives every channel and purpose a bucket of its own', async () => {
      const { limiter } = await setup(standing)
      expect((await limiter.take('send', 'SMS', 10)).granted).toBe(5)
      for (const channel of channels) expect((await limiter.take('release', channel, 10)).granted).toBe(5)
      expect((await limiter.take('send', 'EMAIL', 10)).granted).toBe(5)
      expect((await limiter.take('send', 'PUSH', 10)).granted).toBe(5)
      expect((await limiter.take('send', 'SMS', 1)).granted).toBe(0)
    })

    it('saves up no more than the burst while nobody asks', async () => {
      const { limiter, pass } = await setup({ perSecond: 10, burst: 2 })
      await limiter.take('send', 'SMS', 2)
      await pass(350)
      expect((await limiter.take('send', 'SMS', 50)).granted).toBe(2)
    })

    it('grants no more than rate × T + burst to many who ask at once, over and over', async () => {
      const { limiter, nowMs, pass } = await setup({ perSecond: 100, burst: 7 })
      const startMs = nowMs()
      let granted = 0
      for (let round = 0; round < 10; round++) {
        const answers = await Promise.all(Array.from({ length: 8 }, () => limiter.take('send', 'SMS', 3)))
        for (const answer of answers) granted += answer.granted
        await pass(20)
      }
      expect(granted).toBeLessThanOrEqual((100 * (nowMs() - startMs)) / 1_000 + 7)
      expect(granted).toBeGreaterThanOrEqual(7)
    })

    it('grants everything when the limit is off', async () => {
      const { limiter } = await setup({ perSecond: 0, burst: 1 })
      expect(await limiter.take('send', 'SMS', 10_000)).toEqual({ granted: 10_000, retryAfterMs: 0, degraded: false })
      expect((await limiter.take('release', 'SMS', 10_000)).granted).toBe(10_000)
    })
  })
}
