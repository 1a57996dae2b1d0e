import { describe, expect, it } from 'vitest'
import { aRate, aRequest, bucketLimiterConformance } from '../port/conformance/bucket-limiter.suite.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { MemoryBucketLimiter } from './memory-bucket-limiter.ts'

bucketLimiterConformance('memory', async () => {
  const clock = new ManualClock()
  return {
    limiter: new MemoryBucketLimiter(clock),
    nowMs: () => clock.monotonicMs(),
    pass: (ms) => clock.advance(ms),
    close: () => Promise.resolve(),
  }
})

describe('memory bucket limiter', () => {
  it('goes on counting those that matter while it forgets recipients by the thousand', async () => {
    const clock = new ManualClock()
    const limiter = new MemoryBucketLimiter(clock)
    const request = (recipientKey: string) =>
      aRequest([aRate({ scope: 'recipient', burst: 1, perMs: 1_000 })], { recipientKey })
    for (let at = 0; at < 9_999; at++) await limiter.take(request(`old ${at}`))
    await clock.advance(2_000)
    await limiter.take(request('new'))
    expect((await limiter.take(request('new'))).kind).toBe('refused')
    expect((await limiter.take(request('old 1'))).kind).toBe('granted')
  })
})
