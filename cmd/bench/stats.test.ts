import { describe, expect, it } from 'vitest'
import { latencyOf, percentile, spreadOf } from './stats.ts'

const ascending = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

describe('percentile', () => {
  it('is the value that so many of a hundred do not exceed', () => {
    expect([50, 95, 99, 99.9, 100].map((percent) => percentile(ascending(1_000), percent))).toEqual([
      500.5, 950, 990, 999, 1_000,
    ])
  })

  it('is the only value where there is one', () => {
    expect([0, 50, 99.9].map((percent) => percentile([7], percent))).toEqual([7, 7, 7])
  })

  it('refuses to make one up', () => {
    expect(() => percentile([], 50)).toThrow(RangeError)
  })
})

describe('spreadOf', () => {
  it('sorts numbers as numbers and leaves its input alone', () => {
    const values = [100, 9, 20]
    expect(spreadOf(values)).toEqual({ median: 20, min: 9, max: 100 })
    expect(values).toEqual([100, 9, 20])
  })
})

describe('latencyOf', () => {
  it('counts a stall for every request that it kept back, not only for the one it hit', () => {
    const scheduled = ascending(100).map((index) => index * 10)
    // Nothing is received from 200 to 700; what was due meanwhile comes in at once after that.
    const received = scheduled.map((at) => (at > 200 && at <= 700 ? 701 : at + 1))
    const { p50, p99, max } = latencyOf(scheduled, received, 2_000)
    expect({ p50, p99, max }).toEqual({ p50: 1, p99: 481, max: 491 })
    const kept = received.filter((at) => at === 701)
    expect(kept).toHaveLength(50)
  })

  it('counts what never came in as received at the very end', () => {
    expect(latencyOf([10, 20], [11, 0], 1_020).max).toBe(1_000)
  })
})
