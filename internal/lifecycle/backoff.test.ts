import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffMs } from './backoff.ts'

const policy = { minMs: 10, baseMs: 100, maxMs: 1_000 }
const highest = () => 1 - Number.EPSILON
const lowest = () => 0

describe('backoffMs', () => {
  it('doubles its upper bound with every failure, up to the cap', () => {
    expect([1, 2, 3, 4, 5, 500].map((failures) => backoffMs(policy, failures, highest))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ])
  })

  it('never goes below the floor', () => {
    expect([1, 5].map((failures) => backoffMs(policy, failures, lowest))).toEqual([10, 10])
  })

  it('gives whole milliseconds between floor and cap for any count and draw', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -5, max: 10_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, draw) => {
          const ms = backoffMs(policy, failures, () => draw)
          expect(Number.isInteger(ms)).toBe(true)
          expect(ms).toBeGreaterThanOrEqual(policy.minMs)
          expect(ms).toBeLessThanOrEqual(policy.maxMs)
        },
      ),
    )
  })
})
