import { describe, expect, it } from 'vitest'
import { check } from './checker.ts'
import { type Delivery, type Facts, isRepeatable } from './facts.ts'
import { change, claim, delivery, disturbance, facts, id, leaseMs, life, sent } from './test-facts.ts'

const routed = { ...sent, via: true }
/** Taken away at the end of its lease, and claimed once more. */
const sweptAt = 1_050 + leaseMs + 10
const againAt = sweptAt + 1_000
const open = [change(1_000, null, 'QUEUED', 0), claim(1_050, 1)]
const killed = { lives: [life({ endedAt: 1_105, how: 'killed' })] } as const

/** An SMS, sent over the first and later over the second; its route is `twilio`, then `hook-main`. */
function sentOver(first: string, second: string, more: Partial<Facts> = {}, told: Partial<Delivery> = {}): Facts {
  return facts({
    rows: [{ ...routed, attempts: 2 }],
    attempts: [
      { id, number: 1, outcome: 'abandoned' },
      { id, number: 2, outcome: 'ok' },
    ],
    deliveries: [
      delivery(1_100, { connection: first, ...told }),
      delivery(againAt + 50, { connection: second, content: told.content ?? 'Hello' }),
    ],
    changes: [
      ...open,
      change(sweptAt, 'SENDING', 'QUEUED', 2),
      claim(againAt, 3),
      change(againAt + 60, 'SENDING', 'SENT', 3),
    ],
    ...more,
  })
}

function parked(more: Partial<Facts> = {}): Facts {
  return facts({
    rows: [{ ...routed, status: 'FAILED', reason: 'parked', outcomeUnknown: true }],
    attempts: [{ id, number: 1, outcome: 'unknown' }],
    deliveries: [
      delivery(1_100, { connection: 'twilio', status: null, answeredAt: null, content: '[sink reset 200]' }),
    ],
    changes: [...open, change(1_110, 'SENDING', 'FAILED', 1)],
    ...more,
  })
}

const texts = (some: Facts) =>
  check(some).violations.map(({ invariant, text }) => `${invariant} ${text.split('\n')[0]}`)
const reset = { content: '[sink reset 200]', status: null, answeredAt: null }

describe('a repeat over connections', () => {
  it('is never excused after one that cannot drop it', () => {
    expect(texts(sentOver('twilio', 'hook-main', killed))).toEqual([expect.stringMatching(/^3 twilio cannot drop/)])
    expect(texts(sentOver('twilio', 'twilio', {}, reset))).toEqual([expect.stringMatching(/^3 twilio cannot drop/)])
  })

  it('is excused over the same one that drops it', () => {
    const settled = [
      ...open,
      change(1_110, 'SENDING', 'QUEUED', 1),
      claim(againAt, 2),
      change(againAt + 60, 'SENDING', 'SENT', 2),
    ]
    expect(texts(sentOver('hook-main', 'hook-main', { changes: settled }, reset))).toEqual([])
  })

  it('is not excused over another while the outcome is open', () => {
    const row = { ...routed, channel: 'WEBHOOK', attempts: 2 }
    const settled = [
      ...open,
      change(1_110, 'SENDING', 'QUEUED', 1),
      claim(againAt, 2),
      change(againAt + 60, 'SENDING', 'SENT', 2),
    ]
    expect(texts(sentOver('hook-main', 'hook-spare', { rows: [row], changes: settled }, reset))).toEqual([
      expect.stringMatching(/^3 its outcome was open over another/),
    ])
  })

  it('is excused after the death of a process only where every connection of the route drops repeats', () => {
    expect(texts(sentOver('hook-main', 'hook-main', killed))).toEqual([
      expect.stringMatching(/^3 its process vanished/),
    ])
    const webhook = { ...routed, channel: 'WEBHOOK', attempts: 2 }
    expect(texts(sentOver('hook-main', 'hook-spare', { ...killed, rows: [webhook] }))).toEqual([])
  })

  it('is excused over the connection whose outcome was open before the process died', () => {
    const changes = [
      ...open,
      change(1_110, 'SENDING', 'QUEUED', 1),
      claim(2_000, 2),
      change(sweptAt, 'SENDING', 'QUEUED', 3),
      claim(againAt, 4),
      change(againAt + 60, 'SENDING', 'SENT', 4),
    ]
    const attempts = [1, 2, 3].map((number) => ({ id, number, outcome: 'unknown' }))
    const more = {
      changes,
      attempts,
      rows: [{ ...routed, attempts: 3 }],
      lives: [life({ endedAt: 2_005, how: 'killed' })],
    } as const
    expect(texts(sentOver('hook-main', 'hook-main', more, reset))).toEqual([])
    expect(texts(sentOver('hook-main', 'hook-spare', more, reset))).toEqual([
      expect.stringMatching(/^3 its outcome was open over another/),
    ])
  })
})

describe('a parked one', () => {
  it('is right when its target left the sender in the dark', () => {
    expect(texts(parked())).toEqual([])
    expect(check(parked()).byConnection).toEqual({ twilio: 1 })
  })

  it.each<[string, Partial<Facts>]>([
    [
      'its process was killed',
      {
        ...killed,
        changes: [...open, change(sweptAt, 'SENDING', 'QUEUED', 2), change(againAt, 'QUEUED', 'FAILED', 3)],
      },
    ],
    ['the way to its target was disturbed', { disturbances: [disturbance('target', 900, 1_200)] }],
    ['the answer came too late', { deliveries: [delivery(1_100, { connection: 'twilio', answeredAt: 3_000 })] }],
  ])('is right when %s', (_, evidence) => {
    expect(texts(parked({ deliveries: [], ...evidence }))).toEqual([])
  })

  it.each<[string, Partial<Facts>, RegExp]>([
    ['nothing left its outcome open', { deliveries: [delivery(1_100, { connection: 'twilio' })] }, /nothing left/],
    ['its target was only slow', { deliveries: [delivery(1_100, { content: '[sink slow:150]' })] }, /nothing left/],
    ['nothing was sent and nothing happened', { deliveries: [] }, /nothing left/],
    [
      'it does not go over connections',
      { rows: [{ ...parked().rows[0], ...sent, reason: 'parked', status: 'FAILED', outcomeUnknown: true }] },
      /drops repeats/,
    ],
  ])('is wrong when %s', (_, broken, text) => {
    expect(texts(parked(broken))).toContainEqual(expect.stringMatching(text))
  })

  it('is wrong when its outcome is known, or every connection of its route drops repeats', () => {
    const [row] = parked().rows
    if (row === undefined) throw new Error('one is needed')
    expect(texts(parked({ rows: [{ ...row, outcomeUnknown: false }] }))).toEqual([
      expect.stringMatching(/its outcome is known$/),
    ])
    expect(texts(parked({ rows: [{ ...row, channel: 'INCIDENT' }] }))).toEqual([
      expect.stringMatching(/drops repeats$/),
    ])
  })
})

describe('the waits that targets ask for over connections', () => {
  const content = 'Hello [sink 429:1 200]'
  const twice = (second: Partial<Delivery>, more: Partial<Facts> = {}) =>
    facts({
      rows: [routed],
      deliveries: [
        delivery(1_100, { connection: 'hook-main', status: 429, content }),
        delivery(1_950, { connection: 'hook-main', content, ...second }),
      ],
      ...more,
    })

  it('hold for the same connection, and not for the next', () => {
    expect(texts(twice({}))).toEqual([expect.stringMatching(/^6 .* over hook-main came back/)])
    expect(texts(twice({ connection: 'twilio' }))).toEqual([])
  })

  it('are heard of by other processes a little later', () => {
    const counters = { replicas: 2, areShared: true }
    expect(texts(twice({ at: 1_400, answeredAt: 1_402 }, { counters }))).toEqual([])
    expect(texts(twice({}, { counters }))).toHaveLength(1)
  })
})

describe('the rate of a connection', () => {
  it('is held against what came over it, with its burst', () => {
    const over = (count: number, everyMs: number) =>
      Array.from({ length: count }, (_, n) => delivery(10_000 + n * everyMs, { connection: 'ntfy', status: 503 }))
    const pace = (deliveries: readonly Delivery[]) =>
      check(facts({ deliveries })).violations.filter(({ invariant }) => invariant === 7)
    expect(pace(over(200, 126))).toEqual([])
    expect(pace(over(200, 100))).toMatchObject([{ text: expect.stringMatching(/^ntfy: /) }])
  })
})

it('a route is repeatable when each of its connections is', () => {
  const all = (channel: string, via = true) => isRepeatable({ channel, via }, facts())
  expect([all('SMS'), all('INCIDENT'), all('WEBHOOK'), all('SMS', false)]).toEqual([false, true, true, true])
})
