import { describe, expect, it } from 'vitest'
import type { Facts } from './facts.ts'
import { checkPriorities } from './priorities.ts'
import { change, facts, sent } from './test-facts.ts'

type Priority = 'HIGH' | 'NORMAL' | 'LOW'

const ofEach = 200
const everyMs = 20

/** So many of each priority wait from the beginning; one after another begins, in this order. */
function served(turns: readonly Priority[], rest: Partial<Facts> = {}): Facts {
  const left: Record<Priority, string[]> = { HIGH: ids('HIGH'), NORMAL: ids('NORMAL'), LOW: ids('LOW') }
  const all = [...left.HIGH, ...left.NORMAL, ...left.LOW]
  const order = Array.from({ length: all.length }, (_, n) => turns[n % turns.length] ?? 'HIGH').flatMap(
    (priority) => left[priority].shift() ?? [],
  )
  const waiting = all.map((id) => ({ ...change(1_000, null, 'QUEUED', 0), id }))
  const putOff = all.map((id) => ({ ...change(1_090, 'QUEUED', 'QUEUED', 1), id }))
  const begun = order.map((id, n) => ({ ...change(1_100 + n * everyMs, 'QUEUED', 'SENDING', 1), id }))
  const rows = all.map((id) => ({ ...sent, id, priority: id.split(' ')[0] ?? '' }))
  return facts({ rows, changes: [...waiting, ...putOff, ...begun], fairSpans: [{ from: 1_000, to: 13_000 }], ...rest })
}

function ids(priority: Priority): string[] {
  return Array.from({ length: ofEach }, (_, n) => `${priority} ${n}`)
}

const fair: readonly Priority[] = ['HIGH', 'HIGH', 'NORMAL', 'HIGH', 'HIGH', 'NORMAL', 'LOW', 'HIGH', 'HIGH', 'NORMAL']
const texts = (some: Facts) => checkPriorities(some).map(({ invariant, text }) => `${invariant} ${text}`)

describe('priorities', () => {
  it('are kept when each is served by its weight', () => {
    expect(texts(served(fair))).toEqual([])
  })

  it('are broken when low work begins as often as high work that waits', () => {
    expect(texts(served(['HIGH', 'NORMAL', 'LOW']))).toEqual([
      expect.stringMatching(/^8 SMS: \d+ of low and \d+ of high/),
    ])
  })

  it('are broken when low work does not move', () => {
    expect(texts(served(['HIGH', 'NORMAL']))).toEqual([
      expect.stringMatching(/^8 SMS: \d+ of higher priority and none/),
    ])
  })

  it('are judged only while the rig watched them', () => {
    expect(texts(served(['HIGH', 'NORMAL', 'LOW'], { fairSpans: [] }))).toEqual([])
  })

  it('have to be seen at work when the rig watches them', () => {
    const late = served(fair, { fairSpans: [{ from: 12_000, to: 13_000 }] })
    expect(texts(late)).toEqual([expect.stringMatching(/^0 priorities were to be judged/)])
  })

  it('do not bind what is under way already', () => {
    expect(texts(served(['HIGH', 'NORMAL', 'LOW'], { slots: 1_000 }))).toEqual([])
  })
})
