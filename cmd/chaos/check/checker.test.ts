import { describe, expect, it } from 'vitest'
import { check } from './checker.ts'
import type { Facts } from './facts.ts'
import { change, claim, delivery, disturbance, facts, id, leaseMs, life, pid, sent } from './test-facts.ts'

/** Sent at 1,100 under a claim that never settled, taken away at its end, and sent again. */
function sentTwice(more: Partial<Facts> = {}): Facts {
  const sweptAt = 1_050 + leaseMs + 10
  return facts({
    deliveries: [delivery(1_100), delivery(sweptAt + 1_100)],
    rows: [{ ...sent, attempts: 2 }],
    attempts: [
      { id, number: 1, outcome: 'abandoned' },
      { id, number: 2, outcome: 'ok' },
    ],
    changes: [
      change(1_000, null, 'QUEUED', 0),
      claim(1_050, 1),
      change(sweptAt, 'SENDING', 'QUEUED', 2),
      claim(sweptAt + 1_050, 3),
      change(sweptAt + 1_110, 'SENDING', 'SENT', 3),
    ],
    ...more,
  })
}

const numbers = (verdict: ReturnType<typeof check>) => verdict.violations.map(({ invariant }) => invariant)

describe('the checker', () => {
  it('has nothing to say about a notification that was sent once', () => {
    expect(check(facts())).toMatchObject({ lost: 0, violations: [], duplicates: { afterTaken: 0, unexcused: 0 } })
  })

  it.each<[string, Partial<Facts>, number]>([
    ['has no row', { rows: [], deliveries: [], attempts: [], changes: [] }, 1],
    ['has not ended', { rows: [{ ...sent, status: 'QUEUED' }] }, 1],
    ['is SENT, and no target took it', { deliveries: [delivery(1_100, { status: 503 })] }, 2],
  ])('counts as lost what was accepted and %s', (_, broken, invariant) => {
    const verdict = check(facts(broken))
    expect([verdict.lost, ...numbers(verdict)]).toEqual([1, invariant])
  })

  it('finds a FAILED one with a known outcome that a target took', () => {
    expect(numbers(check(facts({ rows: [{ ...sent, status: 'FAILED', reason: 'retry_exhausted' }] })))).toEqual([2])
  })

  it('finds a step that the protocol does not have, and a history with a hole', () => {
    const changes = [change(1_000, null, 'QUEUED', 0), change(1_050, 'SENT', 'QUEUED', 1)]
    expect(numbers(check(facts({ changes })))).toEqual([4, 4])
  })

  it('finds a gap in the log of attempts', () => {
    expect(numbers(check(facts({ attempts: [{ id, number: 2, outcome: 'ok' }] })))).toEqual([5])
  })

  it('finds a claim before its retry time, and a return before Retry-After was over', () => {
    const early = [
      change(1_000, null, 'QUEUED', 0),
      claim(1_050, 1),
      change(1_110, 'SENDING', 'QUEUED', 1, { nextRetryAt: 2_000 }),
      claim(1_500, 2),
      change(1_600, 'SENDING', 'SENT', 2),
    ]
    const content = 'Hello [sink 429:1 200]'
    const deliveries = [delivery(1_100, { status: 429, content }), delivery(1_550, { content })]
    expect(numbers(check(facts({ changes: early, deliveries })))).toEqual([6, 6])
  })

  it('finds two ids for one key, and a delivery under a key that is nobody`s', () => {
    const twin = { ...sent, id: `${id.slice(0, -1)}2`, attempts: 0, status: 'CANCELED' }
    expect(numbers(check(facts({ rows: [sent, twin] })))).toEqual([9])
    expect(numbers(check(facts({ deliveries: [delivery(1_100), delivery(1_101, { key: 'x', id: 'x' })] })))).toEqual([
      3,
    ])
  })
})

describe('a delivery that was repeated', () => {
  it('is a violation when nothing excuses it', () => {
    const verdict = check(sentTwice())
    expect([verdict.duplicates.unexcused, ...numbers(verdict)]).toEqual([1, 3])
  })

  it.each<[string, string, Partial<Facts>]>([
    ['D1', 'its process was killed before it settled', { lives: [life({ endedAt: 1_105, how: 'killed' })] }],
    ['D2', 'the way to the target was disturbed', { disturbances: [disturbance('target', 1_000, 1_200)] }],
    ['D3', 'its process was halted past the lease', { disturbances: [disturbance('process', 1_105, 25_000)] }],
    ['D4', 'the database was away until the lease ended', { disturbances: [disturbance('postgres', 1_105, 24_000)] }],
  ])('has the excuse %s when %s', (code, _, evidence) => {
    const verdict = check(sentTwice(evidence))
    expect(verdict.duplicates.excused).toMatchObject({ [code]: 1 })
    expect(verdict.violations).toEqual([])
  })

  it.each<[string, Partial<Facts>]>([
    ['its process was asked to stop', { lives: [life({ endedAt: 1_105, how: 'stopped' })] }],
    ['another process was killed', { lives: [life(), life({ pid: 1, endedAt: 1_105, how: 'killed' })] }],
    ['its process was killed long before', { lives: [life(), life({ startedAt: -9, endedAt: -1, how: 'killed' })] }],
    ['the database came back before the lease ended', { disturbances: [disturbance('postgres', 1_105, 9_000)] }],
    ['the broker was disturbed', { disturbances: [disturbance('rabbitmq', 0, 99_000)] }],
  ])('has no excuse when %s', (_, evidence) => {
    expect(check(sentTwice(evidence)).duplicates.unexcused).toBe(1)
  })

  it('needs an excuse of its own, whatever excuses the others', () => {
    const one = sentTwice({ disturbances: [disturbance('process', 1_105, 25_000)] })
    const other = id.replace(/1$/, '2')
    const twin = <T extends { readonly id: string }>(items: readonly T[]) =>
      items.map((item) => ({ ...item, id: other }))
    const both = (owner: string) => ({
      ...one,
      deliveries: [...one.deliveries, ...one.deliveries.map((each) => ({ ...each, id: other, key: `${other}:0` }))],
      rows: [...one.rows, ...twin(one.rows).map((row) => ({ ...row, key: 'k2' }))],
      attempts: [...one.attempts, ...twin(one.attempts)],
      changes: [...one.changes, ...twin(one.changes).map((each) => (each.owner === null ? each : { ...each, owner }))],
      disturbances: [{ ...disturbance('process', 1_105, 25_000), pid }],
    })
    expect(check(both(`host-${pid}-0a1b2c3d`)).duplicates).toMatchObject({ excused: { D3: 2 }, unexcused: 0 })
    expect(check(both('host-9-0a1b2c3d')).duplicates).toMatchObject({ excused: { D3: 1 }, unexcused: 1 })
  })

  it('has the excuse D2 when the network kept the request of an earlier attempt back', () => {
    const other = { ...claim(4_000, 2), owner: 'host-9-0a1b2c3d#7' }
    const changes = [
      ...facts().changes.slice(0, 2),
      change(3_100, 'SENDING', 'QUEUED', 1),
      other,
      change(4_110, 'SENDING', 'SENT', 2),
    ]
    const late = {
      changes,
      rows: [{ ...sent, attempts: 2 }],
      deliveries: [delivery(4_100), delivery(8_000)],
      disturbances: [{ ...disturbance('target', 1_000, 7_990), pid }],
    }
    expect(check(sentTwice(late)).duplicates).toMatchObject({ excused: { D2: 1 }, unexcused: 0 })
    expect(check(sentTwice({ ...late, disturbances: [] })).duplicates.unexcused).toBe(1)
  })

  it('has the excuse D2 when an attempt had all of its time on a disturbed way, and no target saw anything of it', () => {
    const other = { ...claim(14_000, 2), owner: 'host-9-0a1b2c3d#7' }
    const slow = (endsAt: number, more: Partial<Facts> = {}): Facts =>
      sentTwice({
        changes: [
          ...facts().changes.slice(0, 2),
          change(endsAt, 'SENDING', 'QUEUED', 1),
          other,
          change(14_110, 'SENDING', 'SENT', 2),
        ],
        deliveries: [delivery(14_020), delivery(14_100)],
        disturbances: [{ ...disturbance('target', 1_000, 2_000), pid }],
        ...more,
      })
    const repeats = (some: Facts) => check(some).duplicates
    expect(repeats(slow(3_100))).toMatchObject({ excused: { D2: 1 }, unexcused: 0 })
    expect(repeats(slow(1_200)).unexcused).toBe(1)
    expect(repeats(slow(3_100, { disturbances: [] })).unexcused).toBe(1)
    const seen = [delivery(1_100, { status: 503 }), delivery(14_020), delivery(14_100)]
    expect(repeats(slow(3_100, { deliveries: seen })).unexcused).toBe(1)
  })

  it('is excused by a target that was told to leave the sender in the dark', () => {
    const content = 'Hello [sink reset 200]'
    const [first, second] = sentTwice().deliveries
    if (first === undefined || second === undefined) throw new Error('two are needed')
    const deliveries = [
      { ...first, content, status: null, answeredAt: null },
      { ...second, content },
    ]
    expect(check(sentTwice({ deliveries })).duplicates).toMatchObject({ afterSilence: 1, excused: { D2: 1 } })
  })
})
