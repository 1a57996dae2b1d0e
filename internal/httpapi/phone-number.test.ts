import fc from 'fast-check'
import { parsePhoneNumberFromString } from 'libphonenumber-js/core'
import metadata from 'libphonenumber-js/min/metadata'
import { describe, expect, it } from 'vitest'
import { toE164 } from './phone-number.ts'

const codes = Object.keys(metadata.country_calling_codes)
const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 4, maxLength: 13 }).map((some) => some.join(''))
const anyNumber = fc.tuple(fc.constantFrom(...codes), digits).map((parts) => `+${parts.join('')}`)

describe('phone numbers', () => {
  it.each([
    ['+905551234567', '+905551234567'],
    ['+90 555 123 45 67', '+905551234567'],
    ['+1 (213) 373-4253', '+12133734253'],
    ['+1.213.373.4253', '+12133734253'],
    ['+44 (0)20 7946 0958', '+442079460958'],
    ['+١٢١٣٣٧٣٤٢٥٣', '+12133734253'],
    ['+15550000001', '+15550000001'], // of no plan: kept for fiction
    ['+12025550123', '+12025550123'],
    ['+15005550006', '+15005550006'],
    ['+491234567', '+491234567'],
  ])('are kept as E.164: %s', (given, kept) => {
    expect(toE164(given)).toBe(kept)
  })

  it.each([
    '',
    'ada@example.com',
    '12345',
    '05551234567', // without its country
    '00905551234567', // 00 is how some countries dial out, not all
    '+1555010',
    '+1555',
    '+999123456789',
    '+0000000123',
    '+12133734253 ext. 5',
    '+1-800-FLOWERS',
    'call +12133734253',
    '+12133734253, +12133734254',
    '+12133734253\n',
    '+4900171123456',
    '+4915512345678901', // 16 digits
    `+1${'2'.repeat(300)}`,
  ])('refuse %j', (text) => {
    expect(toE164(text)).toBeNull()
  })

  it('stay what they are when read again', () => {
    fc.assert(
      fc.property(anyNumber, (text) => {
        const number = toE164(text)
        fc.pre(number !== null)
        expect(number).toMatch(/^\+[1-9]\d{4,14}$/)
        expect(toE164(number)).toBe(number)
      }),
    )
  })

  it('are refused by nothing but the library, whatever country it takes them for', () => {
    fc.assert(
      fc.property(anyNumber, (text) => {
        const read = (one: string) => parsePhoneNumberFromString(one, { extract: false }, metadata)
        const number = read(text)
        fc.pre(number?.isPossible() === true && number.number.length <= 16)
        fc.pre(read(number?.number ?? '')?.number === number?.number)
        expect(toE164(text)).toBe(number?.number)
      }),
    )
  })
})
