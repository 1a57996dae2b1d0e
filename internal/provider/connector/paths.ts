import type { Scope } from './liquid.ts'
import { ownProperty } from './values.ts'

/** A path as a piece of a regular expression. */
export const pathPattern = '[A-Za-z_][\\w]*(?:\\.[A-Za-z_][\\w]*)*'
const barePath = new RegExp(`^${pathPattern}$`)
/** Words that Liquid gives a meaning of its own. */
const liquidWords = new Set([
  'true',
  'false',
  'nil',
  'null',
  'empty',
  'blank',
  'size',
  'first',
  'last',
  'and',
  'or',
  'not',
  'contains',
  'forloop',
])

/** The names of a text that is a path and nothing else; null when Liquid must read it. */
export function asPath(text: string): readonly string[] | null {
  const names = barePath.test(text) ? text.split('.') : []
  return names.length === 0 || names.some((name) => liquidWords.has(name)) ? null : names
}

/** What stands there, seeing own properties only. */
export function readPath(scope: Scope, names: readonly string[]): unknown {
  let value: unknown = scope
  for (const name of names) {
    if (value === undefined || value === null) return undefined
    value = ownProperty(value, name)
  }
  return value
}
