import { parsePhoneNumberFromString } from 'libphonenumber-js'
import { describe, expect, it } from 'vitest'
import { numberOf, recipientOf } from './items.ts'

const numbers = [0, 1, 99_999, 150_000, 10_000_000]

describe('recipientOf', () => {
  it.each(numbers)('makes a phone number of %d that there can be, in its E.164 form', (number) => {
    const phone = parsePhoneNumberFromString(recipientOf(number))
    expect(phone?.isPossible()).toBe(true)
    expect(phone?.number).toBe(recipientOf(number))
  })

  it.each(['SMS', 'EMAIL', 'PUSH'])('tells which notification of the channel %s it is', (channel) => {
    expect(numbers.map((number) => numberOf(recipientOf(number, channel)))).toEqual(numbers)
  })
})
