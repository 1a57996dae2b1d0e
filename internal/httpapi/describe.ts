/**
 * What was found where something else was expected, for error messages: type and size, never the text itself, since
 * it may be somebody's address or message.
 */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (typeof value === 'string')
    return value === '' ? 'an empty string' : `a string of ${countCharacters(value)} characters`
  if (typeof value === 'number') return `the number ${value}`
  if (typeof value === 'boolean') return `the boolean ${value}`
  if (Array.isArray(value)) return `an array of ${value.length} items`
  return 'an object'
}

/** For fields whose values are words of the contract or times: shows them, shortened. */
export function describeWord(value: unknown): string {
  return typeof value === 'string' && value !== '' ? quote(value, 40) : describe(value)
}

/** JSON notation: control characters and lone surrogates come out as escapes. */
export function quote(text: string, max: number): string {
  return JSON.stringify(text.length > max ? `${text.slice(0, max)}…` : text)
}

/** Unicode code points, as PostgreSQL's char_length and JSON Schema's maxLength count. */
export function countCharacters(text: string): number {
  let count = text.length
  for (let at = 0; at < text.length - 1; at++) {
    if (isHigh(text.charCodeAt(at)) && isLow(text.charCodeAt(at + 1))) count--
  }
  return count
}

/** Counts only when it must: a string has at least half as many characters as UTF-16 units, and at most as many. */
export function fitsCharacters(text: string, max: number): boolean {
  if (text.length <= max) return true
  return text.length <= max * 2 && countCharacters(text) <= max
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}
