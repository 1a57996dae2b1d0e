import type { JsonObject } from '../domain/notification.ts'

export type Scalar = string | number | boolean | bigint | Date | null
export type Param = Scalar | readonly Scalar[]

/** What the driver is handed: nothing whose type it would guess from a first element. */
export type Encoded = string | boolean | null

/**
 * Turns a parameter into what PostgreSQL reads, so that the driver guesses nothing: it takes an array's type from the
 * first element and would send arrays of dates, booleans or bigints as scalars. Booleans stay, since the driver
 * writes every other value of a boolean parameter as false.
 */
export function encodeParam(param: Param): Encoded {
  if (param === null || typeof param === 'boolean' || typeof param === 'string') return param
  if (param instanceof Date) return param.toISOString()
  if (typeof param === 'number' || typeof param === 'bigint') return String(param)
  // unnest fills a shorter array up with nulls, and most columns of most groups hold nothing else.
  return param.every((one) => one === null) ? '{}' : arrayLiteral(param)
}

/** `{…}` as PostgreSQL writes arrays; for `$n::type[]`. */
export function arrayLiteral(values: readonly Scalar[]): string {
  return `{${values.map(element).join(',')}}`
}

function element(value: Scalar): string {
  if (value === null) return 'NULL'
  if (typeof value === 'string') return `"${value.replace(/["\\]/g, '\\$&')}"`
  if (typeof value === 'boolean') return value ? 't' : 'f'
  return value instanceof Date ? `"${value.toISOString()}"` : String(value)
}

/**
 * JSON for a parameter that the statement reads as `text` and casts to jsonb itself: handed to the driver as jsonb, the
 * text would be encoded a second time and stored as a string.
 */
export function jsonText(value: JsonObject | null): string | null {
  return value === null ? null : JSON.stringify(value)
}

/** A query builder's parameter, checked instead of believed. */
export function toParam(value: unknown): Param {
  if (Array.isArray(value)) return value.map(toScalar)
  return toScalar(value)
}

function toScalar(value: unknown): Scalar {
  if (value === null || value instanceof Date) return value
  if (typeof value === 'string' || typeof value === 'number') return value
  if (typeof value === 'boolean' || typeof value === 'bigint') return value
  throw new TypeError(`a query parameter must be a plain value, got ${typeof value}`)
}

/** Text from outside that nobody validated: PostgreSQL refuses NUL, and one such byte must not undo a whole group. */
export function storable(text: string | null, maxLength: number): string | null {
  return text === null ? null : text.replaceAll('\0', '').slice(0, maxLength)
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Anything else cannot be the id of a row; asked before PostgreSQL would refuse the statement for it. */
export function isUuid(text: string): boolean {
  return uuidPattern.test(text)
}
