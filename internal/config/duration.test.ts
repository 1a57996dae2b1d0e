import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDurationMs, parseDurationMs } from './duration.ts'

describe('parseDurationMs', () => {
  it.each([
    ['250ms', 250],
    ['5s', 5_000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['30d', 2_592_000_000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['1500', 1_500],
    ['0', 0],
  ])('reads %s as %d ms', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms)
  })

  it.each(['', ' ', '5x', '5 s', '-5s', 's', '1.5', '5S', '5s!', '1e3', '9'.repeat(30), '99999999999999d'])(
    'refuses %j',
    (text) => {
      expect(parseDurationMs(text)).toBeNull()
    },
  )

  it('reads back whatever it writes', () => {
    fc.assert(
      fc.property(fc.nat(1e12), (ms) => {
        expect(parseDurationMs(formatDurationMs(ms))).toBe(ms)
      }),
    )
  })

  it('writes the largest unit that is exact', () => {
    expect([0, 250, 5_000, 90_000, 600_000, 86_400_000].map(formatDurationMs)).toEqual([
      '0ms',
      '250ms',
      '5s',
      '90s',
      '10m',
      '24h',
    ])
  })
})
