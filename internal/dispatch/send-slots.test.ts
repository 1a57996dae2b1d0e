import { describe, expect, it } from 'vitest'
import { SendSlots, unsettledMax } from './send-slots.ts'

describe('send slots', () => {
  it('are open until they are taken, and again when they are given back', () => {
    const slots = new SendSlots(8, () => false)
    slots.take(6)
    expect(slots.open).toBe(2)
    slots.giveBack(1)
    expect(slots.open).toBe(3)
  })

  it('serve what is claimed, and nothing new, while too many results wait to be stored', () => {
    const slots = new SendSlots(8, () => false)
    slots.unsettled = unsettledMax
    expect([slots.open, slots.claimable(0), slots.claimable(1), slots.roomBeside(0, 1)]).toEqual([8, 0, 0, 0])
    slots.unsettled = unsettledMax - 3
    expect([slots.open, slots.claimable(0), slots.roomBeside(0, 1)]).toEqual([8, 8, 3])
  })

  it.each([
    [64, 8],
    [8, 1],
    [1, 1],
  ])('leave the processor to accepts that are pressed: of %d, %d are used', (concurrency, used) => {
    let pressed = true
    const slots = new SendSlots(concurrency, () => pressed)
    expect(slots.open).toBe(used)
    slots.take(used)
    expect(slots.open).toBe(0)
    pressed = false
    expect(slots.open).toBe(concurrency - used)
  })

  it('let some be claimed while all are spoken for by others', () => {
    const slots = new SendSlots(8, () => false)
    expect([slots.claimable(0), slots.claimable(5)]).toEqual([8, 8])
    slots.take(8)
    expect([slots.claimable(0), slots.claimable(5)]).toEqual([0, 4])
    slots.unsettled = unsettledMax
    expect(slots.claimable(5)).toBe(0)
  })

  it('have room for what finds a slot, and for so many rounds of sends', () => {
    const slots = new SendSlots(8, () => false)
    expect(slots.roomBeside(0, 1)).toBe(16)
    expect(slots.roomBeside(0, 4)).toBe(40)
    slots.take(8)
    expect(slots.roomBeside(0, 1)).toBe(8)
    expect(slots.roomBeside(8, 1)).toBe(0)
    expect(slots.roomBeside(9, 1)).toBe(0)
    expect(slots.roomBeside(9, 4)).toBe(23)
  })
})
