import type { JsonValue } from '../../domain/notification.ts'

/** An object that is neither a list nor null. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A property of the value itself, never one that it inherits; undefined without it. */
export function ownProperty(value: unknown, name: string | number): unknown {
  if (Array.isArray(value)) return typeof name === 'number' ? value[name] : undefined
  return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

/** Null, nothing or an empty text: keys with such values are left out of requests. */
export function isEmpty(value: unknown): value is null | undefined | '' {
  return value === undefined || value === null || value === ''
}

/** How a value stands inside a text: lists and objects as JSON, nothing as ''. */
export function asText(value: unknown): string {
  if (typeof value === 'string') return value
  return isEmpty(value) ? '' : (JSON.stringify(value) ?? '')
}

/** One value is a list of one; nothing is none. */
export function asList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  return isEmpty(value) ? [] : [value]
}

/** Every text in a JSON value, whatever its depth. */
export function textsIn(value: JsonValue | undefined): readonly string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap((one: JsonValue) => textsIn(one))
}

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of a duration that the schema has let through. */
export function durationMs(text: string): number {
  const [, amount, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? []
  if (unit !== 'ms' && unit !== 's' && unit !== 'm' && unit !== 'h' && unit !== 'd') {
    throw new TypeError(`not a duration: ${text}`)
  }
  return Number(amount) * unitMs[unit]
}
