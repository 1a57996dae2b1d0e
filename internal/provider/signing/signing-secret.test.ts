import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { bareSecret, readSigningSecret, withReplaced } from './signing-secret.ts'

const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`
const [first, second, third] = [newSecret(), newSecret(), newSecret()]
const nowMs = Date.UTC(2026, 10, 21, 12)
const hourMs = 3_600_000
const at = (ms: number) => new Date(ms).toISOString()

describe('a signing secret with an end', () => {
  it.each([
    ['2026-11-22T15:00:00Z', Date.UTC(2026, 10, 22, 15)],
    ['2026-11-22T15:00:00.250Z', Date.UTC(2026, 10, 22, 15, 0, 0, 250)],
    ['2026-11-22T16:00:00+01:00', Date.UTC(2026, 10, 22, 15)],
  ])('ends at %s', (time, endsAtMs) => {
    expect(readSigningSecret(`${first} until ${time}`)).toEqual({ secret: first, endsAtMs })
    expect(bareSecret(`${first} until ${time}`)).toBe(first)
  })

  it('has none when none is given', () => {
    expect(readSigningSecret(first)).toEqual({ secret: first, endsAtMs: null })
    expect([bareSecret(first), bareSecret('wait until noon')]).toEqual([first, 'wait until noon'])
  })

  it.each([
    `${first} until`,
    `${first} until `,
    `${first} until tomorrow`,
    `${first} until 2026-11-22`,
    `${first} until 2026-11-22T15:00:00`,
    `${first} until 2026-02-30T15:00:00Z`,
    `${first} until ${at(nowMs)} until ${at(nowMs)}`,
    'whsec_short until 2026-11-22T15:00:00Z',
  ])('is refused with what is wrong, and not repeated (%#)', (text) => {
    const read = readSigningSecret(text)
    expect(read).toMatchObject({ problem: expect.stringContaining('expected') })
    expect(JSON.stringify(read)).not.toContain(first)
  })
})

describe('a list of signing secrets that is replaced', () => {
  it('keeps what it leaves out for the grace time', () => {
    expect(withReplaced([second], [first], nowMs, hourMs)).toEqual([second, `${first} until ${at(nowMs + hourMs)}`])
  })

  it('keeps nothing without a grace time, nor what it still lists', () => {
    expect(withReplaced([second], [first], nowMs, 0)).toEqual([second])
    expect(withReplaced([first, second], [second, first], nowMs, hourMs)).toEqual([first, second])
  })

  it('does not prolong what ends already, and forgets what has ended', () => {
    const soon = `${first} until ${at(nowMs + 1)}`
    const over = `${second} until ${at(nowMs)}`
    expect(withReplaced([third], [soon, over], nowMs, hourMs)).toEqual([third, soon])
  })

  it('takes an end from one that is listed again', () => {
    expect(withReplaced([first], [second, `${first} until ${at(nowMs + 1)}`], nowMs, hourMs)).toEqual([
      first,
      `${second} until ${at(nowMs + hourMs)}`,
    ])
  })

  it('stays short however often it is replaced: the newest stay', () => {
    const all = Array.from({ length: 20 }, newSecret)
    let list: readonly string[] = []
    for (const secret of all) list = withReplaced([secret], list, nowMs, hourMs)
    expect(list.map(bareSecret)).toEqual(all.toReversed().slice(0, 9))
  })
})
