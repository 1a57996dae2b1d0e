import { z } from 'zod'
import { type Finding, listOf, nearest, type PathPart, show } from './problems.ts'
import { isRecord, ownProperty } from './values.ts'

type Issue = z.core.$ZodIssue

/** What the schema found wrong, in words that name what was found and what is expected. */
export function findingsOf(schema: z.ZodType, error: z.ZodError, document: unknown): readonly Finding[] {
  return error.issues.flatMap((issue) => fromIssue(schema, issue, [], document))
}

function fromIssue(schema: z.ZodType, issue: Issue, base: readonly PathPart[], document: unknown): readonly Finding[] {
  const path = [...base, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))]
  const found = valueOf(document, path)
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(schema, [...path, key], found))
  if (issue.code === 'invalid_union') return fromUnion(schema, issue, path, document)
  if (issue.code === 'invalid_key') {
    const expected = issue.issues.map(expectationOf).join(' and ')
    return [{ path, found: `the key ${show(path.at(-1))}`, expected }]
  }
  const words = issue.code === 'invalid_value' && typeof found === 'string' ? issue.values.map(String) : []
  const didYouMean = typeof found === 'string' ? nearest(found, words) : null
  return [{ path, found: foundIn(issue, found), expected: expectationOf(issue), didYouMean }]
}

function foundIn(issue: Issue, found: unknown): string {
  if (issue.code !== 'too_big' && issue.code !== 'too_small') return show(found)
  if (typeof found === 'string') return `${found.length} characters`
  return isRecord(found) ? `${Object.keys(found).length} keys` : show(found)
}

function unknownKey(schema: z.ZodType, path: readonly PathPart[], holder: unknown): Finding {
  const key = String(path.at(-1))
  const known = knownKeys(schema, path.slice(0, -1), holder)
  const expected = known.length === 0 ? 'a known key' : listOf(known)
  return { path, found: `the unknown key ${show(key)}`, expected, didYouMean: nearest(key, known) }
}

/** Of several shapes, the one that came nearest says what is wrong. */
function fromUnion(
  schema: z.ZodType,
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: readonly PathPart[],
  document: unknown,
): readonly Finding[] {
  const found = valueOf(document, path)
  if (issue.errors.length === 0) {
    // A union told apart by one field, which has none of the known words.
    const options = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : []
    const meant = typeof found === 'string' ? nearest(found, options) : null
    const expected = options.length === 0 ? 'one of the known kinds' : listOf(options)
    return [{ path, found: show(found), expected, didYouMean: meant }]
  }
  const deeper = issue.errors.filter((branch) => !branch.some(isOfAnotherKind))
  if (deeper.length === 0) {
    const expected = issue.errors.flatMap((branch) => branch.map(expectationOf))
    return [{ path, found: show(found), expected: expected.join(', or ') }]
  }
  const best = deeper.reduce((one, other) => (other.length < one.length ? other : one))
  return best.flatMap((one) => fromIssue(schema, one, path, document))
}

/** Not the shape that was meant: a text where a mapping is asked for, or the other way round. */
function isOfAnotherKind(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value')
}

function valueOf(document: unknown, path: readonly PathPart[]): unknown {
  return path.reduce<unknown>((value, part) => ownProperty(value, part), document)
}

function expectationOf(issue: Issue): string {
  if (issue.code === 'invalid_type') return typeNames[issue.expected] ?? issue.expected
  if (issue.code === 'invalid_value') return listOf(issue.values.map(String))
  if (issue.code === 'too_big') return `at most ${String(issue.maximum)}${measure(issue.origin)}`
  if (issue.code === 'too_small') return `at least ${String(issue.minimum)}${measure(issue.origin)}`
  // Patterns of this schema carry their meaning as message.
  if (issue.code !== 'invalid_format' || issue.format === 'regex') return issue.message
  return formatNames[issue.format] ?? `a valid ${issue.format}`
}

function measure(origin: string): string {
  if (origin === 'string') return ' characters'
  if (origin === 'array') return ' entries'
  return origin === 'object' || origin === 'record' ? ' keys' : ''
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
  null: 'null',
}
const formatNames: Readonly<Record<string, string>> = {
  url: 'a URL',
  datetime: 'a time such as 2026-01-01T00:00:00Z',
}

/** Keys that the schema knows at a path; for a union told apart by `kind`, those of the kind that is there. */
function knownKeys(schema: z.ZodType, path: readonly PathPart[], holder: unknown): readonly string[] {
  let now: readonly z.core.$ZodType[] = [schema]
  for (const part of path) now = now.flatMap(unwrap).flatMap((one) => stepInto(one, part))
  const shapes = now.flatMap(unwrap).flatMap(shapeOf)
  const sameKind = shapes.filter(({ kind }) => {
    return kind !== undefined && isRecord(holder) && z.safeParse(kind, holder['kind']).success
  })
  return [...new Set((sameKind.length > 0 ? sameKind : shapes).flatMap((shape) => Object.keys(shape)))]
}

type Shape = Readonly<Record<string, z.core.$ZodType>>

function shapeOf(schema: z.core.$ZodType): readonly Shape[] {
  return schema instanceof z.core.$ZodObject ? [schema._zod.def.shape] : []
}

function unwrap(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable) {
    return unwrap(schema.unwrap())
  }
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(unwrap)
  return [schema]
}

function stepInto(schema: z.core.$ZodType, part: PathPart): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodArray) return [schema.element]
  if (schema instanceof z.ZodRecord) return [schema.valueType]
  return shapeOf(schema).flatMap((shape) => shape[part] ?? [])
}
