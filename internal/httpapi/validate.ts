import type { z } from '@hono/zod-openapi'
import { quote } from './describe.ts'
import type { Findings } from './findings.ts'
import { formatPath, type PathPart } from './json-guard.ts'
import { didYouMean } from './unknown-fields.ts'

/** What validation must know of a schema besides its rules. `T` has every field optional. */
export interface Reading<T> {
  readonly schema: z.ZodType<T>
  /** The same schema without required fields. */
  readonly partial: z.ZodType<T>
  /** Names of all fields, in the order of the schema. */
  readonly known: readonly string[]
  /** Fields in which `""` and null mean absent. */
  readonly optional: ReadonlySet<string>
  /** Fields whose words are read in any case. */
  readonly words: ReadonlySet<string>
}

export function reading<T>(
  schema: z.ZodType<T> & { readonly shape: Readonly<Record<string, z.ZodType>> },
  partial: z.ZodType<T>,
  words: readonly string[] = [],
): Reading<T> {
  const known = Object.keys(schema.shape)
  const optional = known.filter((name) => schema.shape[name]?.safeParse(undefined).success ?? false)
  return { schema, partial, known, optional: new Set(optional), words: new Set(words) }
}

/** Trims, takes empty optional fields out, raises words; and gives the names that nobody knows. */
export function normalise(
  raw: object,
  { known, optional, words }: Pick<Reading<unknown>, 'known' | 'optional' | 'words'>,
): { readonly fields: Readonly<Record<string, unknown>>; readonly unknown: readonly string[] } {
  const fields: Record<string, unknown> = {}
  const unknown: string[] = []
  for (const [name, given] of Object.entries(raw)) {
    const value = trimmed(given)
    if (!known.includes(name)) unknown.push(name)
    else if ((value === '' || value === null) && optional.has(name)) continue
    else fields[name] = typeof value === 'string' && words.has(name) ? value.toUpperCase() : value
  }
  return { fields, unknown }
}

function trimmed(value: unknown): unknown {
  if (typeof value === 'string') return value.trim()
  return Array.isArray(value) ? value.map((one: unknown) => (typeof one === 'string' ? one.trim() : one)) : value
}

/**
 * Every field that is right by itself (whatever is wrong is added to `findings`), so that rules between fields can be
 * told in the same answer.
 */
export function parseFields<T>(
  fields: Readonly<Record<string, unknown>>,
  how: Reading<T>,
  at: readonly PathPart[],
  findings: Findings,
): T | null {
  const parsed = how.schema.safeParse(fields)
  if (parsed.success) return parsed.data
  reportIssues(parsed.error, fields, at, findings)
  const wrong = new Set(parsed.error.issues.map((issue) => issue.path[0]))
  const rest = Object.fromEntries(Object.entries(fields).filter(([name]) => !wrong.has(name)))
  const partial = how.partial.safeParse(rest)
  return partial.success ? partial.data : null
}

/** Unknown fields are ignored and named, or with `Prefer: handling=strict` refused. */
export function reportUnknown(
  unknown: readonly string[],
  known: readonly string[],
  at: readonly PathPart[],
  strict: boolean,
  findings: Findings,
): void {
  for (const [index, name] of unknown.entries()) {
    // A suggestion costs a comparison with every known name: only for what is shown.
    if (strict ? !findings.hasRoomForErrors : !findings.hasRoomForWarnings) {
      if (strict) findings.unlisted(unknown.length - index)
      return
    }
    const path = formatPath([...at, name])
    const hint = didYouMean(name, known)
    if (strict) findings.error(path, 'unknown_field', `expected a known field, found ${quote(name, 64)}${hint}`)
    else findings.warning(path, 'unknown_field', `this field is not known and was ignored${hint}`)
  }
}

/** Every issue of a failed parse, under the path the client wrote. */
function reportIssues(
  error: z.ZodError,
  fields: Readonly<Record<string, unknown>>,
  at: readonly PathPart[],
  findings: Findings,
): void {
  for (const issue of error.issues) {
    const parts = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
    const path = formatPath([...at, ...parts])
    const [name] = parts
    const missing = parts.length === 1 && name !== undefined && fields[name] === undefined
    findings.error(path, missing ? 'required' : issueCode(issue), issue.message)
  }
}

function issueCode(issue: z.core.$ZodIssue): string {
  if (issue.code === 'custom') {
    const code: unknown = issue.params?.['code']
    return typeof code === 'string' ? code : 'invalid_value'
  }
  if (issue.code === 'too_big') return issue.origin === 'array' ? 'too_many' : 'out_of_range'
  if (issue.code === 'too_small') return 'out_of_range'
  return issue.code === 'invalid_type' ? 'invalid_type' : 'invalid_value'
}
