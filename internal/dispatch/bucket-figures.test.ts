import { describe, expect, it } from 'vitest'
import { MemoryBucketLimiter } from '../embedded/memory-bucket-limiter.ts'
import { MemoryOutletState } from '../embedded/memory-outlet-state.ts'
import { aRate, aRequest } from '../port/conformance/bucket-limiter.suite.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { FakeOutlet } from '../testkit/route-world.ts'
import { makeBucketFigures } from './bucket-figures.ts'

function setup() {
  const clock = new ManualClock()
  const outlet = new FakeOutlet('a', clock)
  const buckets = new MemoryBucketLimiter(clock)
  const state = new MemoryOutletState(clock)
  const outlets = { outlet: (id: string) => (id === 'a' ? outlet : null) }
  return { outlet, buckets, state, figures: makeBucketFigures({ outlets, buckets, state }) }
}

describe('figures of buckets', () => {
  it('name every bucket that a connection declares, used or not', async () => {
    const { outlet, buckets, figures } = setup()
    const slots = { kind: 'concurrency', limit: 2 } as const
    outlet.buckets = [aRate({ burst: 1 }), slots]
    await buckets.take(aRequest(outlet.buckets, { connection: 'a' }))
    expect(await figures.findFigures(['a'])).toEqual([
      { connection: 'a', bucket: outlet.buckets[0], inUse: 1, nextInMs: 100_000, learnt: null },
      { connection: 'a', bucket: slots, inUse: 1, nextInMs: 0, learnt: null },
    ])
  })

  it('show waits and what a provider told, of paused connections too', async () => {
    const { state, outlet, figures } = setup()
    outlet.buckets = [aRate()]
    const learnt = { name: 'x', remaining: 3, resetAfterMs: 500 }
    state.learn('paused', learnt)
    state.cool('a', 6_999.5, null)
    expect(await figures.findFigures(['a', 'paused', 'unheard'])).toEqual([
      { connection: 'a', bucket: outlet.buckets[0], inUse: 0, nextInMs: 7_000, learnt: null },
      { connection: 'a', bucket: null, inUse: null, nextInMs: 7_000, learnt: null },
      { connection: 'paused', bucket: null, inUse: null, nextInMs: 0, learnt },
    ])
  })

  it('say so when the shared counters cannot be reached', async () => {
    const { buckets, outlet } = setup()
    const state = { read: async () => null }
    const figures = makeBucketFigures({ outlets: { outlet: () => outlet }, buckets, state })
    await expect(figures.findFigures(['a'])).rejects.toMatchObject({ dependency: 'redis' })
    expect(await figures.findFigures([])).toEqual([])
  })
})
