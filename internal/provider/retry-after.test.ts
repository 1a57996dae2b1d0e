import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { retryAfterMaxMs } from '../domain/outcome.ts'
import { parseRetryAfterMs } from './retry-after.ts'

const now = new Date('2026-03-01T12:00:00Z')

describe('parseRetryAfterMs', () => {
  it.each([
    ['7', 7_000],
    [' 7 ', 7_000],
    ['0', 0],
    ['3600', retryAfterMaxMs],
    ['3601', retryAfterMaxMs],
    ['99999999999999999999999', retryAfterMaxMs],
    ['Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
    ['Sunday, 01-Mar-26 12:00:30 GMT', 30_000],
    ['Sun, 01 Mar 2026 12:00:00 GMT', 0],
    ['Sun, 01 Mar 2099 12:00:00 GMT', retryAfterMaxMs],
  ])('reads "%s" as %i ms', (header, ms) => {
    expect(parseRetryAfterMs(header, now)).toBe(ms)
  })

  it.each([
    null,
    '',
    '-1',
    '1.5',
    '1e3',
    '0x10',
    'soon',
    '2026-03-01T12:00:30Z',
    'Sun, 01 Mar 2026 11:59:59 GMT',
    'Sun, 99 Foo 2026 12:00:00 GMT',
  ])('takes "%s" as no wish', (header) => {
    expect(parseRetryAfterMs(header, now)).toBeNull()
  })

  it('never asks for a negative, endless or fractional wait', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.date().map(String)), (header) => {
        const ms = parseRetryAfterMs(header, now)
        return ms === null || (Number.isInteger(ms) && ms >= 0 && ms <= retryAfterMaxMs)
      }),
    )
  })
})
