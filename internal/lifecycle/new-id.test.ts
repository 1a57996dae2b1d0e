import { describe, expect, it } from 'vitest'
import { makeNewId } from './new-id.ts'

describe('new ids', () => {
  it('are UUIDs of version 7 that tell their millisecond', () => {
    const nowMs = Date.UTC(2026, 10, 21)
    const id = makeNewId(() => nowMs)()
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(nowMs)
  })

  it('ascend, within one millisecond and when the clock goes back', () => {
    const times = [5, 5, 5, 3, 5, 6, 1]
    let call = 0
    const newId = makeNewId(() => 1_000 + (times[call++ % times.length] ?? 0))
    const ids = Array.from({ length: 2_000 }, newId)
    expect(ids.toSorted()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('share no random part', () => {
    const newId = makeNewId(() => 1)
    const parts = Array.from({ length: 2_000 }, () => newId().slice(-12))
    expect(new Set(parts).size).toBe(parts.length)
  })
})
