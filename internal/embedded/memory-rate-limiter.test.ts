import { describe, expect, it } from 'vitest'
import { limitsOf, rateLimiterConformance } from '../port/conformance/rate-limiter.suite.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { MemoryRateLimiter } from './memory-rate-limiter.ts'

rateLimiterConformance('memory', async (limits) => {
  const clock = new ManualClock()
  return {
    limiter: new MemoryRateLimiter(limits, clock),
    nowMs: () => clock.monotonicMs(),
    pass: (ms) => clock.advance(ms),
    close: () => Promise.resolve(),
  }
})

describe('memory rate limiter', () => {
  it('is always healthy, under the name of the part it stands for', async () => {
    const limiter = new MemoryRateLimiter(limitsOf({ perSecond: 1, burst: 1 }), new ManualClock())
    expect(limiter.name).toBe('redis')
    await expect(limiter.check()).resolves.toBeUndefined()
  })
})
