import { describe, expect, it, vi } from 'vitest'
import { type SlotFigures, Slots } from './slots.ts'

function setup(maxWaiting = 2) {
  const figures: SlotFigures[] = []
  const slots = new Slots({ max: 1, maxWaiting, maxWaitMs: 1_000 }, (now) => figures.push(now))
  return { slots, last: () => figures.at(-1) }
}

describe('slots', () => {
  it('are handed on in the order of arrival', async () => {
    const { slots, last } = setup()
    await slots.acquire(false)
    const order: string[] = []
    const first = slots.acquire(false).then(() => order.push('first'))
    const second = slots.acquire(false).then(() => order.push('second'))
    expect(last()).toEqual({ inUse: 1, waiting: 2 })
    slots.release()
    await first
    slots.release()
    await second
    slots.release()
    expect(order).toEqual(['first', 'second'])
    expect(last()).toEqual({ inUse: 0, waiting: 0 })
  })

  it('refuse at once when the line is full, but never what is vital, which goes first', async () => {
    const { slots, last } = setup(1)
    await slots.acquire(false)
    const order: string[] = []
    const waiting = slots.acquire(false).then(() => order.push('waiting'))
    await expect(slots.acquire(false)).rejects.toMatchObject({ code: 'overloaded' })
    const vital = slots.acquire(true).then(() => order.push('vital'))
    expect(last()).toEqual({ inUse: 1, waiting: 2 })
    slots.release()
    await vital
    slots.release()
    await waiting
    expect(order).toEqual(['vital', 'waiting'])
  })

  it('are not waited for longer than the bound, and the line forgets who left', async () => {
    vi.useFakeTimers()
    try {
      const { slots, last } = setup()
      await slots.acquire(false)
      const waiting = expect(slots.acquire(true)).rejects.toMatchObject({ code: 'dependency_unavailable' })
      await vi.advanceTimersByTimeAsync(1_000)
      await waiting
      expect(last()).toEqual({ inUse: 1, waiting: 0 })
      slots.release()
      expect(last()).toEqual({ inUse: 0, waiting: 0 })
    } finally {
      vi.useRealTimers()
    }
  })
})
