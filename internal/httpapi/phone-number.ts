import { parsePhoneNumberFromString } from 'libphonenumber-js/core'
import metadata from 'libphonenumber-js/min/metadata'

/**
 * Only the main country of each calling code: telling apart the 25 countries behind +1 takes ten times as long as all
 * the rest, and nobody asks for the country here.
 */
const mainCountries = {
  ...metadata,
  country_calling_codes: Object.fromEntries(
    Object.entries(metadata.country_calling_codes).map(([code, countries]) => [code, countries.slice(0, 1)]),
  ),
}

const digitsMax = 15

/**
 * The E.164 form of a phone number in one of the usual spellings with country code (`+1 (213) 373-4253`); null when it
 * is none. Asks whether there can be such a number (calling code and length), not whether it is in use: numbers for
 * fiction and for tests are of no plan, and new ranges come before the metadata that knows them.
 */
export function toE164(text: string): string | null {
  const number = read(text)
  // "+49 00…": each reading drops another zero, so it does not say which number is meant.
  return number === null || number === text || read(number) === number ? number : null
}

function read(text: string): string | null {
  return parse(text, mainCountries) ?? parse(text, metadata)
}

function parse(text: string, countries: typeof metadata): string | null {
  const number = parsePhoneNumberFromString(text, { extract: false }, countries)
  if (number?.isPossible() !== true || number.ext !== undefined) return null
  return number.number.length <= 1 + digitsMax ? number.number : null // some plans know longer ones
}
