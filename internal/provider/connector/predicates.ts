import { type PathSegments, parsePath, valueAt } from './json-path.ts'
import type { ConnectorDocument } from './schema.ts'
import { asText, isRecord, ownProperty } from './values.ts'

type Match = ConnectorDocument['success']
type BodyTests = NonNullable<Match['body']>
type BodyTest = Exclude<BodyTests, readonly unknown[]>
type Selecting = Pick<BodyTest, 'where' | 'take'> & { readonly path?: string | undefined }
type ValueTest = NonNullable<Match['headers']>[string]
type Scalar = NonNullable<ValueTest['in']>[number]

/** An answer as predicates see it. */
export interface Reading {
  readonly statusCode: number
  header(name: string): string | null
  /** Without blanks at its ends; '' when there is none that can be read. */
  readonly text: string
  /** Parsed JSON; undefined when the body is none. */
  readonly json: unknown
}

export type Predicate = (answer: Reading) => boolean
export type Selector = (json: unknown) => unknown

/** All that is given must hold. */
export function compileMatch(match: Match): Predicate {
  const tests: Predicate[] = []
  if (match.status !== undefined) tests.push(statusTest(match.status))
  for (const [name, test] of Object.entries(match.headers ?? {})) {
    const holds = compileValueTest(test)
    tests.push((answer) => holds(answer.header(name) ?? undefined))
  }
  if (match.text !== undefined) tests.push(textTest(match.text))
  const bodies = match.body === undefined ? [] : Array.isArray(match.body) ? match.body : [match.body]
  for (const body of bodies) {
    const select = compileSelector(body)
    const holds = compileValueTest(body)
    tests.push((answer) => holds(select(answer.json)))
  }
  const [only] = tests
  if (tests.length === 1 && only !== undefined) return only
  return (answer) => tests.every((holds) => holds(answer))
}

function statusTest(statuses: NonNullable<Match['status']>): Predicate {
  const wanted = new Set<number>()
  for (const one of statuses) {
    if (typeof one === 'number') wanted.add(one)
    else for (let code = Number(one[0]) * 100, end = code + 100; code < end; code++) wanted.add(code)
  }
  return ({ statusCode }) => wanted.has(statusCode)
}

function textTest({ equals, contains, notContains }: NonNullable<Match['text']>): Predicate {
  return ({ text }) =>
    (equals === undefined || text === equals.trim()) &&
    (contains === undefined || text.includes(contains)) &&
    (notContains === undefined || !text.includes(notContains))
}

/** What a path leads to, by way of the first element of a list that passes `where`. */
export function compileSelector({ path, where, take }: Selecting): Selector {
  const start: PathSegments = path === undefined ? [] : parsePath(path)
  if (where === undefined) {
    const whole = take === undefined ? start : [...start, ...parsePath(take)]
    return (json) => valueAt(json, whole)
  }
  const tests = Object.entries(where).map(([name, test]) => [name, compileValueTest(test)] as const)
  const rest = take === undefined ? [] : parsePath(take)
  return (json) => {
    const list = valueAt(json, start)
    if (!Array.isArray(list)) return undefined
    const chosen: unknown = list.find(
      (element: unknown) => isRecord(element) && tests.every(([name, holds]) => holds(ownProperty(element, name))),
    )
    return valueAt(chosen, rest)
  }
}

/** Without any word of its own, a value passes when it is there and is not null. */
function compileValueTest(test: ValueTest): (value: unknown) => boolean {
  const { exists, equals, contains, startsWith, endsWith } = test
  const wanted = test.in
  const says = [equals, wanted, contains, startsWith, endsWith].some((word) => word !== undefined)
  if (!says) return (value) => isThere(value) === (exists ?? true)
  return (value) => {
    if (exists !== undefined && isThere(value) !== exists) return false
    if (equals !== undefined && !isSame(value, equals)) return false
    if (wanted !== undefined && !wanted.some((one) => isSame(value, one))) return false
    const text = typeof value === 'object' ? null : asText(value)
    return (
      (contains === undefined || (text?.includes(contains) ?? false)) &&
      (startsWith === undefined || (text?.startsWith(startsWith) ?? false)) &&
      (endsWith === undefined || (text?.endsWith(endsWith) ?? false))
    )
  }
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null
}

/** Numbers and texts are compared as texts: providers send one code as 21610 here and as "21610" there. */
function isSame(value: unknown, wanted: Scalar): boolean {
  if (value === wanted) return true
  if (typeof value !== 'string' && typeof value !== 'number') return false
  return (typeof wanted === 'string' || typeof wanted === 'number') && String(value) === String(wanted)
}
