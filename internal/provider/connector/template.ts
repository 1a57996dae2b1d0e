import { compileCondition, compileExpression, compileLeaf, hasTemplate, type Leaf } from './leaf.ts'
import { type Scope, TemplateError } from './liquid.ts'
import type { PathPart } from './problems.ts'
import { isEmpty, isRecord } from './values.ts'

/** Most elements that `$each` goes through. */
const eachMax = 1_000
const depthMax = 32

/** A body, header or query as a document describes it, taken apart once. */
export type Template =
  | { readonly kind: 'constant'; readonly value: unknown }
  | { readonly kind: 'leaf'; readonly leaf: Leaf }
  | { readonly kind: 'list'; readonly items: readonly Template[] }
  | {
      readonly kind: 'object'
      readonly condition: Leaf | null
      readonly merge: Leaf | null
      readonly entries: readonly (readonly [string, Template])[]
    }
  | {
      readonly kind: 'each'
      readonly condition: Leaf | null
      readonly list: Leaf
      readonly as: string
      readonly element: Template
    }

interface Place {
  readonly path: readonly PathPart[]
  /** Told of every expression, with the names that `$each` adds there. */
  readonly onLeaf: (leaf: Leaf, path: readonly PathPart[], locals: readonly string[]) => void
  readonly onProblem: (path: readonly PathPart[], found: string, expected: string) => void
  readonly locals: readonly string[]
}

const nothing: Template = { kind: 'constant', value: undefined }

/** Never throws: what is wrong goes to `onProblem`, and stands as nothing in the result. */
export function compileTemplate(source: unknown, place: Place): Template {
  if (place.path.length > depthMax) {
    place.onProblem(place.path, 'deeper nesting', `at most ${depthMax} levels`)
    return nothing
  }
  if (typeof source === 'string') {
    const leaf = hasTemplate(source) ? attempt(place, () => compileLeaf(source)) : null
    if (leaf !== null) return { kind: 'leaf', leaf }
    return hasTemplate(source) ? nothing : { kind: 'constant', value: source }
  }
  if (Array.isArray(source)) {
    const items = source.map((item: unknown, index) => compileTemplate(item, at(place, index)))
    return isConstant(items) ? { kind: 'constant', value: source } : { kind: 'list', items }
  }
  return isRecord(source) ? compileObject(source, place) : { kind: 'constant', value: source }
}

function compileObject(source: Readonly<Record<string, unknown>>, place: Place): Template {
  const condition = compileWord(source, '$if', place, compileCondition)
  if (Object.hasOwn(source, '$each')) return compileEach(source, condition, place)
  const merge = compileWord(source, '$merge', place, compileExpression)
  const entries: (readonly [string, Template])[] = []
  for (const [key, value] of Object.entries(source)) {
    if (key === '$if' || key === '$merge') continue
    if (key.startsWith('$'))
      place.onProblem(
        [...place.path, key],
        `the key ${JSON.stringify(key)}`,
        '$if, $merge, or $each with $as and $value',
      )
    entries.push([key, compileTemplate(value, at(place, key))])
  }
  if (condition === null && merge === null && isConstant(entries.map(([, value]) => value))) {
    return { kind: 'constant', value: source }
  }
  return { kind: 'object', condition, merge, entries }
}

function compileEach(source: Readonly<Record<string, unknown>>, condition: Leaf | null, place: Place): Template {
  const list = compileWord(source, '$each', place, compileExpression)
  const { $as: as = 'item' } = source
  for (const key of Object.keys(source)) {
    if (!['$if', '$each', '$as', '$value'].includes(key)) {
      place.onProblem(
        [...place.path, key],
        `the key ${JSON.stringify(key)}`,
        'only $if, $each, $as and $value beside each other',
      )
    }
  }
  if (typeof as !== 'string' || !/^[a-z]\w{0,31}$/.test(as) || scopeRoots.includes(as)) {
    place.onProblem([...place.path, '$as'], JSON.stringify(as), `a name other than ${scopeRoots.join(', ')}`)
    return nothing
  }
  if (!Object.hasOwn(source, '$value')) {
    place.onProblem(place.path, '$each without $value', '$value: what each element becomes')
  }
  const inner = at({ ...place, locals: [...place.locals, as] }, '$value')
  const element = compileTemplate(source['$value'], inner)
  return list === null ? nothing : { kind: 'each', condition, list, as, element }
}

/** Names at the root of what templates see. */
export const scopeRoots: readonly string[] = ['message', 'config', 'maps', 'callback']

function compileWord(
  source: Readonly<Record<string, unknown>>,
  word: string,
  place: Place,
  compile: (text: string) => Leaf,
): Leaf | null {
  if (!Object.hasOwn(source, word)) return null
  const text = source[word]
  const here = at(place, word)
  if (typeof text === 'string' && text !== '' && !hasTemplate(text)) return attempt(here, () => compile(text))
  here.onProblem(here.path, JSON.stringify(text), 'an expression without braces, such as message.title')
  return null
}

function attempt(place: Place, compile: () => Leaf): Leaf | null {
  try {
    const leaf = compile()
    place.onLeaf(leaf, place.path, place.locals)
    return leaf
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    place.onProblem(place.path, `a template that cannot be read (${error.message})`, 'Liquid')
    return null
  }
}

function at(place: Place, part: PathPart): Place {
  return { ...place, path: [...place.path, part] }
}

function isConstant(templates: readonly Template[]): boolean {
  return templates.every(({ kind }) => kind === 'constant')
}

/**
 * Ties a template to what is the same for every message of a connection.
 * @param fixed the scope without the message.
 * @throws TemplateError when a part that needs no message fails.
 */
export function bindTemplate(template: Template, fixed: Scope): Bound {
  return bind(template, fixed, new Set(['message']))
}

export function valueOf(bound: Bound, scope: Scope): unknown {
  return 'value' in bound ? bound.value : bound.run(scope)
}

/**
 * A template for one connection: worked out already, or to be worked out for each message. `literal`: without any
 * expression.
 */
export type Bound = { readonly value: unknown; readonly literal: boolean } | { readonly run: (scope: Scope) => unknown }

function bind(template: Template, fixed: Scope, open: ReadonlySet<string>): Bound {
  switch (template.kind) {
    case 'constant':
      return { value: template.value, literal: true }
    case 'leaf':
      return bindLeaf(template.leaf, fixed, open)
    case 'list':
      return bindList(template.items, fixed, open)
    case 'object':
      return bindObject(template, fixed, open)
    case 'each':
      return bindEach(template, fixed, open)
  }
}

function bindLeaf(leaf: Leaf, fixed: Scope, open: ReadonlySet<string>): Bound {
  if (leaf.reads.some(([root]) => root !== undefined && open.has(root))) return { run: (scope) => leaf.evaluate(scope) }
  return { value: leaf.evaluate(fixed), literal: false }
}

function bindList(items: readonly Template[], fixed: Scope, open: ReadonlySet<string>): Bound {
  const bound = items.map((item) => ({ item: bind(item, fixed, open), spread: item.kind === 'each' }))
  const run = (scope: Scope) => {
    const list: unknown[] = []
    for (const { item, spread } of bound) {
      const value = 'value' in item ? item.value : item.run(scope)
      if (spread && Array.isArray(value)) for (const one of value) list.push(one)
      else if (isKept(item, value)) list.push(value)
    }
    return list
  }
  return settle(
    bound.map(({ item }) => item),
    run,
    fixed,
  )
}

function bindObject(template: Extract<Template, { kind: 'object' }>, fixed: Scope, open: ReadonlySet<string>): Bound {
  const condition = template.condition === null ? null : bindLeaf(template.condition, fixed, open)
  const merge = template.merge === null ? null : bindLeaf(template.merge, fixed, open)
  const entries = template.entries.map(([key, value]) => [key, bind(value, fixed, open)] as const)
  const run = (scope: Scope) => {
    if (condition !== null && valueOf(condition, scope) !== true) return undefined
    const merged = merge === null ? undefined : valueOf(merge, scope)
    const object: Record<string, unknown> = isRecord(merged) ? { ...merged } : {}
    for (const [key, entry] of entries) {
      const value = 'value' in entry ? entry.value : entry.run(scope)
      if (isKept(entry, value)) object[key] = value
    }
    return object
  }
  const parts = entries.map(([, entry]) => entry)
  return settle([...parts, ...[condition, merge].filter((one) => one !== null)], run, fixed)
}

function bindEach(template: Extract<Template, { kind: 'each' }>, fixed: Scope, open: ReadonlySet<string>): Bound {
  const condition = template.condition === null ? null : bindLeaf(template.condition, fixed, open)
  const list = bindLeaf(template.list, fixed, open)
  const element = bind(template.element, fixed, new Set([...open, template.as]))
  const run = (scope: Scope) => {
    if (condition !== null && valueOf(condition, scope) !== true) return undefined
    const source = valueOf(list, scope)
    if (!Array.isArray(source)) return undefined
    if (source.length > eachMax) throw new TemplateError(`$each goes through at most ${eachMax} elements`, false)
    return source
      .map((one: unknown) => valueOf(element, { ...scope, [template.as]: one }))
      .filter((value) => isKept(element, value))
  }
  return { run }
}

/** What is written in the document stays as it is; what an expression left empty is left out. */
function isKept(bound: Bound, value: unknown): boolean {
  return 'value' in bound && bound.literal ? value !== undefined : !isEmpty(value)
}

function settle(parts: readonly Bound[], run: (scope: Scope) => unknown, fixed: Scope): Bound {
  return parts.every((part) => 'value' in part) ? { value: run(fixed), literal: false } : { run }
}
