import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { channels, statuses } from '../domain/notification.ts'
import type { KeysetPosition, NotificationFilter } from '../port/notification-store.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { countCharacters, fitsCharacters } from './describe.ts'
import { HttpProblem } from './problem.ts'
import { parseTimestamp } from './timestamp.ts'
import { didYouMean } from './unknown-fields.ts'

const position: fc.Arbitrary<KeysetPosition> = fc.record({
  direction: fc.constantFrom('after', 'before'),
  createdAt: fc.date({ min: new Date(0), max: new Date('2999-12-31T23:59:59.999Z'), noInvalidDate: true }),
  id: fc.uuid(),
})
const filter: fc.Arbitrary<NotificationFilter> = fc.record(
  {
    status: fc.constantFrom(...statuses),
    channel: fc.constantFrom(...channels),
    recipient: fc.string(),
    tag: fc.string(),
  },
  { requiredKeys: [] },
)

describe('cursors', () => {
  it('come back as they went out', () => {
    fc.assert(
      fc.property(position, filter, (at, by) => {
        const cursor = encodeCursor(at, by)
        expect(cursor).toMatch(/^[\w-]+$/)
        expect(decodeCursor(cursor, by)).toEqual(at)
      }),
    )
  })

  it('are refused with other filters', () => {
    fc.assert(
      fc.property(position, filter, filter, (at, by, other) => {
        fc.pre(
          JSON.stringify([by.status, by.channel, by.recipient, by.tag]) !==
            JSON.stringify([other.status, other.channel, other.recipient, other.tag]),
        )
        expect(() => decodeCursor(encodeCursor(at, by), other)).toThrow(HttpProblem)
      }),
    )
  })

  it('are refused when they are anything else', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (text) => {
        expect(() => decodeCursor(text, {})).toThrow(HttpProblem)
      }),
    )
    const good = encodeCursor(
      { direction: 'after', createdAt: new Date(0), id: '019b76da-a800-7000-8000-000000000001' },
      {},
    )
    expect(() => decodeCursor(`${good}=`, {})).toThrow(HttpProblem)
    expect(() => decodeCursor(`!${good}`, {})).toThrow(HttpProblem)
  })
})

describe('timestamps', () => {
  it('read every moment that toISOString writes', () => {
    const dates = fc.date({ min: new Date(0), max: new Date('2999-12-31T23:59:59.999Z'), noInvalidDate: true })
    fc.assert(
      fc.property(dates, (date) => {
        expect(parseTimestamp(date.toISOString())).toEqual(date)
      }),
    )
  })

  it.each([
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01t00:00:00z', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01T02:30:00+02:30', '2026-01-01T00:00:00.000Z'],
    ['2025-12-31T23:00:00.5-01:00', '2026-01-01T00:00:00.500Z'],
    ['2026-01-01T00:00:00.123456789Z', '2026-01-01T00:00:00.123Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
  ])('read %s', (text, iso) => {
    expect(parseTimestamp(text)?.toISOString()).toBe(iso)
  })

  it.each([
    '',
    '2026-01-01',
    '2026-01-01T00:00:00',
    '2026-01-01 00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-02-29T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:60Z',
    '2026-01-01T00:00:00+24:00',
    '2026-01-01T00:00:00+0200',
    '2026-01-01T00:00:00.Z',
    '1969-12-31T23:59:59Z',
    '3000-01-01T00:00:00Z',
    'Thu, 01 Jan 2026 00:00:00 GMT',
    '1767225600',
  ])('refuse %j', (text) => {
    expect(parseTimestamp(text)).toBeNull()
  })
})

describe('characters', () => {
  it('are counted as code points', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 50 })
    fc.assert(
      fc.property(texts, fc.nat(60), (text, max) => {
        const count = Array.from(text).length
        expect(countCharacters(text)).toBe(count)
        expect(fitsCharacters(text, max)).toBe(count <= max)
      }),
    )
  })
})

describe('did you mean', () => {
  const known = ['channel', 'recipient', 'idempotencyKey', 'maxRetries']
  it.each([
    ['recipent', 'recipient'],
    ['idempotency_key', 'idempotencyKey'],
    ['MAXRETRIES', 'maxRetries'],
    ['chanel', 'channel'],
  ])('knows %s for %s', (name, meant) => {
    expect(didYouMean(name, known)).toBe(`; did you mean "${meant}"?`)
  })

  it('says nothing when nothing is near', () => {
    expect(didYouMean('subject', known)).toBe('')
    expect(didYouMean('x'.repeat(10_000), known)).toBe('')
  })
})
