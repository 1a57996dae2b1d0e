import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { costMax, gcraRule, takeAllPermits, takePermits } from './gcra.ts'

interface Grant {
  readonly atUs: number
  readonly count: number
}

const limits = fc.record({
  perSecond: fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.double({ min: 0.01, max: 50, noNaN: true })),
  burst: fc.integer({ min: 1, max: 40 }),
})
const takes = fc.array(
  fc.record({ pauseUs: fc.oneof(fc.constant(0), fc.nat(2_000_000)), wanted: fc.integer({ min: 1, max: 60 }) }),
  { maxLength: 60 },
)

function play(limit: { perSecond: number; burst: number }, steps: readonly { pauseUs: number; wanted: number }[]) {
  const rule = gcraRule(limit)
  const grants: Grant[] = []
  let nowUs = 1_700_000_000_000_000
  let tatUs: number | null = null
  for (const step of steps) {
    nowUs += step.pauseUs
    const take = takePermits(rule, tatUs, nowUs, step.wanted)
    tatUs = take.tatUs
    grants.push({ atUs: nowUs, count: take.granted })
  }
  return grants
}

describe('gcra', () => {
  it('never grants more than rate × T + burst in any window', () => {
    fc.assert(
      fc.property(limits, takes, (limit, steps) => {
        const grants = play(limit, steps)
        for (const [first, from] of grants.entries()) {
          let total = 0
          for (const to of grants.slice(first)) {
            total += to.count
            const seconds = (to.atUs - from.atUs) / 1_000_000
            expect(total).toBeLessThanOrEqual(limit.perSecond * seconds + limit.burst + 1e-6)
          }
        }
      }),
    )
  })

  it('grants between none and all, and gives a wait exactly when something was refused', () => {
    fc.assert(
      fc.property(
        limits,
        fc.option(fc.nat(10_000_000)),
        fc.nat(10_000_000),
        fc.integer({ min: 1, max: 99 }),
        (...args) => {
          const [limit, tatUs, nowUs, wanted] = args
          const take = takePermits(gcraRule(limit), tatUs, nowUs, wanted)
          expect(take.granted).toBeGreaterThanOrEqual(0)
          expect(take.granted).toBeLessThanOrEqual(Math.min(wanted, limit.burst))
          expect(take.retryAfterUs > 0).toBe(take.granted < wanted)
        },
      ),
    )
  })

  it('grants one more after the wait it named, and none a microsecond earlier', () => {
    fc.assert(
      fc.property(limits, fc.option(fc.nat(10_000_000)), fc.nat(10_000_000), (limit, tatUs, nowUs) => {
        const rule = gcraRule(limit)
        const drained = takePermits(rule, tatUs, nowUs, 1_000)
        const readyUs = nowUs + drained.retryAfterUs
        expect(takePermits(rule, drained.tatUs, readyUs, 1).granted).toBe(1)
        expect(takePermits(rule, drained.tatUs, readyUs - 1, 1).granted).toBe(0)
      }),
    )
  })

  it('uses the whole rate when somebody always asks in time', () => {
    const rule = gcraRule({ perSecond: 100, burst: 10 })
    let tatUs: number | null = null
    let total = 0
    for (let nowUs = 0; nowUs <= 10_000_000; nowUs += 50_000) {
      const take = takePermits(rule, tatUs, nowUs, 50)
      tatUs = take.tatUs
      total += take.granted
    }
    expect(total).toBe(100 * 10 + 10)
  })

  it('saves up no more than the burst, however long nobody asked', () => {
    const rule = gcraRule({ perSecond: 100, burst: 10 })
    expect(takePermits(rule, 0, 3_600_000_000, 1_000).granted).toBe(10)
  })

  it('blocks for no longer than the burst takes when the clock was set back by an hour', () => {
    const rule = gcraRule({ perSecond: 10, burst: 5 })
    const take = takePermits(rule, 3_600_000_000, 0, 1)
    expect(take).toEqual({ granted: 0, tatUs: 500_000, retryAfterUs: 100_000 })
  })

  it('rounds towards the slower side', () => {
    expect(gcraRule({ perSecond: 3, burst: 2.7 })).toEqual({ intervalUs: 333_334, burst: 2 })
    expect(gcraRule({ perSecond: 3, burst: 0 }).burst).toBe(1)
  })

  it('has no rule for a limit that is off', () => {
    expect(() => gcraRule({ perSecond: 0, burst: 1 })).toThrow(RangeError)
  })
})

describe('all or nothing', () => {
  const costs = fc.array(
    fc.record({ pauseUs: fc.oneof(fc.constant(0), fc.nat(2_000_000)), cost: fc.integer({ min: 1, max: 12 }) }),
    { maxLength: 60 },
  )

  it('never grants more than rate × T + burst in any window, or one message more expensive than the burst', () => {
    fc.assert(
      fc.property(limits, costs, (limit, steps) => {
        const rule = gcraRule(limit)
        const grants: Grant[] = []
        let nowUs = 1_700_000_000_000_000
        let tatUs: number | null = null
        for (const { pauseUs, cost } of steps) {
          nowUs += pauseUs
          const take = takeAllPermits(rule, tatUs, nowUs, cost)
          tatUs = take.tatUs
          if (take.waitUs === 0) grants.push({ atUs: nowUs, count: cost })
        }
        const most = Math.max(rule.burst, ...grants.map(({ count }) => count))
        for (const [first, from] of grants.entries()) {
          let total = 0
          for (const to of grants.slice(first)) {
            total += to.count
            expect(total).toBeLessThanOrEqual((to.atUs - from.atUs) / rule.intervalUs + most)
          }
        }
      }),
    )
  })

  it('grants after the wait it told, and not a microsecond earlier', () => {
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (limit, first, second) => {
        const rule = gcraRule(limit)
        const { tatUs } = takeAllPermits(rule, null, 1_000, first)
        const { waitUs } = takeAllPermits(rule, tatUs, 1_000, second)
        expect(takeAllPermits(rule, tatUs, 1_000 + waitUs, second).waitUs).toBe(0)
        if (waitUs > 0) expect(takeAllPermits(rule, tatUs, 1_000 + waitUs - 1, second).waitUs).toBe(1)
      }),
    )
  })

  it('takes nothing for what it refuses, and is not blocked for long by a clock set back', () => {
    const rule = gcraRule({ perSecond: 1, burst: 1 })
    const taken = takeAllPermits(rule, null, 5_000_000, 1)
    expect(takeAllPermits(rule, taken.tatUs, 5_000_000, 1)).toEqual({ waitUs: 1_000_000, tatUs: taken.tatUs })
    expect(takeAllPermits(rule, 9_000_000_000, 0, 1).waitUs).toBeLessThanOrEqual(costMax * 1_000_000)
  })
})
