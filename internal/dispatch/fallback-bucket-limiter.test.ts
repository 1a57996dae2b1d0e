import { describe, expect, it } from 'vitest'
import { MemoryBucketLimiter } from '../embedded/memory-bucket-limiter.ts'
import type { BucketGrant, BucketLimiter } from '../port/bucket-limiter.ts'
import { aRate, aRequest } from '../port/conformance/bucket-limiter.suite.ts'
import type { Bucket } from '../port/outlet.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { FallbackBucketLimiter } from './fallback-bucket-limiter.ts'

const away: BucketGrant = { kind: 'refused', waitMs: 1_500, scope: 'connection', degraded: true }
const full: BucketGrant = { kind: 'refused', waitMs: 20, scope: 'recipient', degraded: false }

function setup(answer: BucketGrant) {
  const clock = new ManualClock()
  const givenBack: string[] = []
  const shared: BucketLimiter = {
    take: () => Promise.resolve(answer),
    giveBack: ({ id }) => void givenBack.push(id),
    use: () => Promise.resolve([]),
  }
  const limiter = new FallbackBucketLimiter(shared, new MemoryBucketLimiter(clock))
  async function grantedOf(asked: number, buckets: readonly Bucket[]): Promise<number> {
    let granted = 0
    for (let at = 0; at < asked; at++) if ((await limiter.take(aRequest(buckets))).kind === 'granted') granted++
    return granted
  }
  return { clock, limiter, grantedOf, givenBack }
}

describe('buckets without the shared counters', () => {
  it('are the shared ones as long as those answer, refusals included', async () => {
    const { limiter } = setup(full)
    limiter.shareAmong(2)
    expect(await limiter.take(aRequest([aRate()]))).toBe(full)
  })

  it('grant nothing until it is known how many share them', async () => {
    const { limiter } = setup(away)
    expect(await limiter.take(aRequest([aRate()]))).toBe(away)
  })

  it.each([
    [1, 10, 4],
    [3, 3, 1],
    [20, 1, 1],
  ])('are shared among %i processes', async (replicas, burst, slots) => {
    const { limiter, grantedOf } = setup(away)
    limiter.shareAmong(replicas)
    expect(await grantedOf(30, [aRate({ burst: 10 })])).toBe(burst)
    expect(await grantedOf(30, [{ kind: 'concurrency', limit: 4 }])).toBe(slots)
    expect(await limiter.take(aRequest([aRate({ burst: 10 })]))).toMatchObject({ kind: 'refused', degraded: true })
  })

  it('fill as fast as the share of the rate', async () => {
    const { clock, limiter, grantedOf } = setup(away)
    limiter.shareAmong(2)
    const rate = [aRate({ limit: 10, perMs: 1_000, burst: 1 })]
    let granted = 0
    for (let at = 0; at < 100; at++) {
      granted += await grantedOf(1, rate)
      await clock.advance(100)
    }
    expect(granted).toBe(50)
  })

  it('give a place back wherever it was taken', async () => {
    const { limiter, grantedOf, givenBack } = setup(away)
    limiter.shareAmong(1)
    const slots = [{ kind: 'concurrency', limit: 1 }] as const
    const grant = await limiter.take(aRequest(slots))
    if (grant.kind !== 'granted' || grant.slot === null) throw new Error('a place was to be granted')
    expect(await grantedOf(1, slots)).toBe(0)
    limiter.giveBack(grant.slot)
    expect(givenBack).toEqual([grant.slot.id])
    expect(await grantedOf(1, slots)).toBe(1)
  })
})
