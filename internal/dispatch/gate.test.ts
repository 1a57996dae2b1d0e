import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OverloadedError, RejectedDataError } from '../domain/errors.ts'
import { ManualClock, settle } from '../testkit/manual-clock.ts'
import { makeGate } from './gate.ts'

const clock = new ManualClock()
const wide = { clock, maxWeight: 100, maxInFlight: 1, maxWaiting: 1_000 }

/** A flush that stays under way until told to end. */
function heldFlush() {
  const groups: number[][] = []
  const ends: (() => void)[] = []
  const flush = (items: readonly number[]) =>
    new Promise<readonly number[]>((resolve) => {
      groups.push([...items])
      ends.push(() => resolve(items.map((item) => item * 10)))
    })
  const endNext = async () => {
    ends.shift()?.()
    await settle()
  }
  return { groups, flush, endNext }
}

describe('gate', () => {
  it('flushes at once when idle, and what arrives meanwhile is the next group', async () => {
    const { groups, flush, endNext } = heldFlush()
    const put = makeGate(flush, wide)
    const first = put(1)
    await settle()
    const later = [put(2), put(3), put(4)]
    await settle()
    expect(groups).toEqual([[1]])
    await endNext()
    expect(groups).toEqual([[1], [2, 3, 4]])
    await endNext()
    expect(await Promise.all([first, ...later])).toEqual([10, 20, 30, 40])
  })

  it('never has more flushes under way than allowed, nor a group heavier than allowed', async () => {
    const { groups, flush, endNext } = heldFlush()
    const put = makeGate(flush, { clock, maxWeight: 4, maxInFlight: 2, maxWaiting: 1_000 }, (item) => item)
    const all = [3, 1, 2, 2, 9, 1].map(put)
    await settle()
    expect(groups).toEqual([
      [3, 1],
      [2, 2],
    ])
    for (let i = 0; i < 4; i++) await endNext()
    expect(groups).toEqual([[3, 1], [2, 2], [9], [1]])
    expect(await Promise.all(all)).toEqual([30, 10, 20, 20, 90, 10])
  })

  it('starts a flush beside another only for a group that pays for it', async () => {
    const { groups, flush, endNext } = heldFlush()
    const put = makeGate(flush, { clock, maxWeight: 100, maxInFlight: 2, widenAt: 3, maxWaiting: 1_000 })
    const all = [put(1)]
    await settle()
    all.push(put(2), put(3))
    await settle()
    expect(groups).toEqual([[1]])
    all.push(put(4))
    await settle()
    expect(groups).toEqual([[1], [2, 3, 4]])
    all.push(put(5), put(6), put(7), put(8))
    await settle()
    expect(groups).toHaveLength(2)
    for (let i = 0; i < 3; i++) await endNext()
    expect(groups).toEqual([[1], [2, 3, 4], [5, 6, 7, 8]])
    await Promise.all(all)
  })

  it('refuses beyond its bound instead of growing', async () => {
    const { flush, endNext } = heldFlush()
    const put = makeGate(flush, { clock, maxWeight: 1, maxInFlight: 1, maxWaiting: 2 })
    const first = put(1)
    await settle()
    const waiting = [put(2), put(3)]
    await expect(put(4)).rejects.toBeInstanceOf(OverloadedError)
    for (let i = 0; i < 3; i++) await endNext()
    expect(await Promise.all([first, ...waiting])).toEqual([10, 20, 30])
  })

  it('splits a group that is refused for its data until each bad item stands alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), async (bad) => {
        const flush = async (items: readonly number[]) => {
          if (items.some((item) => bad[item])) throw new RejectedDataError('22021', 'bad')
          return items
        }
        const put = makeGate(flush, wide)
        const results = await Promise.allSettled(bad.map((_, index) => put(index)))
        expect(results.map((one) => one.status === 'rejected')).toEqual(bad)
      }),
    )
  })

  it('refuses what nobody flushed for too long', async () => {
    const { flush, endNext } = heldFlush()
    const own = new ManualClock()
    const put = makeGate(flush, { ...wide, clock: own, maxWaitMs: 10_000 })
    const first = put(1)
    await settle()
    const late = put(2)
    await own.advance(5_000)
    const fresh = put(3)
    await own.advance(5_001)
    const refused = expect(late).rejects.toBeInstanceOf(OverloadedError)
    await endNext()
    await refused
    await endNext()
    expect(await Promise.all([first, fresh])).toEqual([10, 30])
  })

  it('fails the whole group for any other error, and goes on with the next', async () => {
    let calls = 0
    const put = makeGate(async (items: readonly number[]) => {
      if (++calls === 1) throw new Error('link lost')
      return items
    }, wide)
    const failed = await Promise.allSettled([put(1), put(2)])
    expect(failed.map((one) => one.status)).toEqual(['rejected', 'rejected'])
    expect(await put(3)).toBe(3)
  })

  it('tells how much waits and how much was turned away', async () => {
    const told: string[] = []
    const put = makeGate(async (items: readonly number[]) => items, {
      clock,
      maxWeight: 1,
      maxInFlight: 1,
      maxWaiting: 2,
      watch: {
        waiting: (weight) => void told.push(`waiting ${weight}`),
        refused: (weight) => void told.push(`refused ${weight}`),
      },
    })
    const results = await Promise.allSettled([put(1), put(2), put(3)])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(told).toContain('refused 1')
    expect(told).toContain('waiting 1')
    expect(told.at(-1)).toBe('waiting 0')
  })
})
