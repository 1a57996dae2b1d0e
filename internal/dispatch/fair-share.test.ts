import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Priority, priorities } from '../domain/notification.ts'
import { FairShare, shareByPriority } from './fair-share.ts'

/** The worst over all states that any sequence of waiting lanes can reach (all 2,427 were searched). */
const lowWaitMax = 12

describe('fair share', () => {
  it('serves 6 : 3 : 1 with work waiting everywhere, high first', () => {
    const turns = new FairShare()
    const served = Array.from({ length: 100 }, () => turns.next(() => true))
    const count = (priority: Priority) => served.filter((one) => one === priority).length
    expect(priorities.map(count)).toEqual([60, 30, 10])
    expect(served[0]).toBe('HIGH')
  })

  it('gives everything to the only lane that waits, and no lane saves up while it is empty', () => {
    const turns = new FairShare()
    for (let i = 0; i < 50; i++) expect(turns.next((one) => one === 'LOW')).toBe('LOW')
    expect(turns.next(() => true)).toBe('HIGH')
    expect(turns.next(() => false)).toBeNull()
  })

  it('low work waits for at most twelve turns, however the other lanes come and go', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ HIGH: fc.boolean(), NORMAL: fc.boolean() }), { minLength: 200, maxLength: 200 }),
        (rounds) => {
          const turns = new FairShare()
          let waited = 0
          for (const round of rounds) {
            const served = turns.next((one) => one === 'LOW' || round[one])
            waited = served === 'LOW' ? 0 : waited + 1
            expect(waited).toBeLessThanOrEqual(lowWaitMax)
          }
        },
      ),
    )
  })

  it('a division gives nobody more than wanted and leaves nothing over that somebody wants', () => {
    const wanted = fc.record({ HIGH: fc.nat(200), NORMAL: fc.nat(200), LOW: fc.nat(200) })
    fc.assert(
      fc.property(fc.nat(500), wanted, (total, want) => {
        const share = shareByPriority(new FairShare(), total, want)
        for (const priority of priorities) expect(share[priority]).toBeLessThanOrEqual(want[priority])
        const sum = (of: Readonly<Record<Priority, number>>) => of.HIGH + of.NORMAL + of.LOW
        expect(sum(share)).toBe(Math.min(total, sum(want)))
        if (total >= 10 && want.LOW > 0) expect(share.LOW).toBeGreaterThan(0)
      }),
    )
  })

  it('small divisions one after another come out like one large division', () => {
    for (const step of [1, 2, 3, 5, 7]) {
      const turns = new FairShare()
      const sum = { HIGH: 0, NORMAL: 0, LOW: 0 }
      for (let left = 210; left > 0; left -= step) {
        const share = shareByPriority(turns, step, { HIGH: 300, NORMAL: 300, LOW: 300 })
        for (const priority of priorities) sum[priority] += share[priority]
      }
      expect(sum).toEqual({ HIGH: 126, NORMAL: 63, LOW: 21 })
    }
  })
})
