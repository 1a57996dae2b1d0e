import fc from 'fast-check'
import { SegmentedMessage } from 'sms-segments-calculator'
import { describe, expect, it } from 'vitest'
import { countSmsSegments } from './sms-segments.ts'

const byLibrary = (text: string) => new SegmentedMessage(text, 'auto').segmentsCount

/**
 * Characters that stand for themselves: the library keeps what combines with its neighbour (accents of their own,
 * flags, families) in one part, which no network does.
 */
const inGsm7 = 'aZ 0@£Δ\n_ÇäöñüàéΩ€[]{}^~|\\\f'
const alone = fc.constantFrom(...Array.from(`${inGsm7}çşığ“”…中文😀🚀\u{20000}`))
const gsm = fc.constantFrom(...Array.from(inGsm7))
const textOf = (unit: fc.Arbitrary<string>) => fc.string({ unit, maxLength: 330, size: 'max' })

describe('segments of an SMS', () => {
  it.each([
    ['', 1],
    ['a'.repeat(160), 1],
    ['a'.repeat(161), 2],
    ['a'.repeat(306), 2],
    ['a'.repeat(307), 3],
    ['€'.repeat(80), 1],
    [`€`.repeat(80) + 'a', 2],
    ['ş'.repeat(70), 1],
    ['ş'.repeat(71), 2],
    ['ş'.repeat(134), 2],
    ['ş'.repeat(135), 3],
    ['😀'.repeat(35), 1],
    ['😀'.repeat(36), 2],
    ['😀'.repeat(67), 3], // 33 in each part of 67 units: none is parted
    [`${'a'.repeat(152)}€${'a'.repeat(152)}`, 3], // the euro does not fit at 152 of 153 and goes on
  ])('are counted: %j', (text, count) => {
    expect(countSmsSegments(text)).toBe(count)
  })

  it('are as many as the library says', () => {
    const text = fc.oneof(textOf(alone), textOf(gsm))
    fc.assert(
      fc.property(text, (one) => {
        expect(countSmsSegments(one)).toBe(byLibrary(one))
      }),
      { numRuns: 60 },
    )
  })

  it('know the same alphabet as the library', () => {
    const isGsm = (character: string) => countSmsSegments(character.repeat(80)) === 1
    for (let code = 0; code < 0x3000; code++) {
      const character = String.fromCharCode(code)
      const { encodingName } = new SegmentedMessage(character, 'auto')
      expect([code, isGsm(character)]).toEqual([code, encodingName === 'GSM-7'])
    }
  })
})
