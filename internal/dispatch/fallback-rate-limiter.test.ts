import { describe, expect, it } from 'vitest'
import { MemoryRateLimiter } from '../embedded/memory-rate-limiter.ts'
import { limitsOf } from '../port/conformance/rate-limiter.suite.ts'
import type { Permits, RateLimiter } from '../port/rate-limiter.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { FallbackRateLimiter, shareOf } from './fallback-rate-limiter.ts'

const away: Permits = { granted: 0, retryAfterMs: 1_500, degraded: true }

function setup({ perSecond = 100, burst = 10 } = {}) {
  const clock = new ManualClock()
  const limits = limitsOf({ perSecond, burst })
  let isAway = true
  const shared: RateLimiter = {
    take: async (_purpose, _channel, wanted) => (isAway ? away : { granted: wanted, retryAfterMs: 0, degraded: false }),
  }
  const limiter = new FallbackRateLimiter(shared, new MemoryRateLimiter(limits, clock), limits)
  async function takeFor(seconds: number): Promise<number> {
    let granted = 0
    for (let at = 0; at < seconds * 50; at++) {
      granted += (await limiter.take('send', 'SMS', 1_000)).granted
      await clock.advance(20)
    }
    return granted
  }
  return { limiter, takeFor, comesBack: () => void (isAway = false) }
}

describe('pace without the shared counter', () => {
  it('asks the shared counter as long as it answers', async () => {
    const { limiter, comesBack } = setup()
    comesBack()
    limiter.shareAmong(4)
    expect(await limiter.take('send', 'SMS', 50)).toEqual({ granted: 50, retryAfterMs: 0, degraded: false })
  })

  it('grants nothing until it is known how many share the limits', async () => {
    const { limiter } = setup()
    expect(await limiter.take('send', 'SMS', 1)).toEqual(away)
  })

  it.each([1, 2, 4])('keeps to its share among %i processes, and says that it is degraded', async (replicas) => {
    const { limiter, takeFor } = setup()
    limiter.shareAmong(replicas)
    expect((await limiter.take('send', 'EMAIL', 1)).degraded).toBe(true)
    const granted = await takeFor(10)
    expect(granted).toBeLessThanOrEqual(1_000 / replicas + 10)
    expect(granted).toBeGreaterThanOrEqual((1_000 / replicas) * 0.95)
  })

  it('gives no burst for a changed number of processes', async () => {
    const { limiter, takeFor } = setup()
    let granted = 0
    for (let turn = 0; turn < 10; turn++) {
      limiter.shareAmong(turn % 2 === 0 ? 1 : 2)
      granted += await takeFor(0.1)
    }
    expect(granted).toBeLessThanOrEqual(100 + 10)
  })

  it('takes nobody for one process', async () => {
    const { limiter, takeFor } = setup()
    limiter.shareAmong(0)
    expect(await takeFor(1)).toBeGreaterThan(90)
  })

  it('returns to the shared counter at once', async () => {
    const { limiter, comesBack } = setup()
    limiter.shareAmong(2)
    await limiter.take('send', 'SMS', 1)
    comesBack()
    expect(await limiter.take('send', 'SMS', 1_000)).toMatchObject({ granted: 1_000, degraded: false })
  })

  it('leaves a limit that is off as it is, and every burst at least one', () => {
    expect(shareOf(limitsOf({ perSecond: 0, burst: 1 }), 3).send.SMS).toEqual({ perSecond: 0, burst: 1 })
    expect(shareOf(limitsOf({ perSecond: 30, burst: 10 }), 3).release.PUSH).toEqual({ perSecond: 10, burst: 3 })
  })
})
