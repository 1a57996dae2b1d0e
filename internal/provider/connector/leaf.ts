import { compileLiquid, type Scope } from './liquid.ts'
import { asText, ownProperty } from './values.ts'

/** One text of a document that holds expressions. */
export interface Leaf {
  /** What it reads from outside: `["message", "data", "url"]`. */
  readonly reads: readonly (readonly string[])[]
  /** True when it is one expression, whose value keeps its type. */
  readonly isExpression: boolean
  /** @throws TemplateError */
  evaluate(scope: Scope): unknown
}

const path = '[A-Za-z_][\\w]*(?:\\.[A-Za-z_][\\w]*)*'
const barePath = new RegExp(`^${path}$`)
const pathExpression = new RegExp(`\\{\\{\\s*(${path})\\s*\\}\\}`, 'g')
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

/** True for a text that means more than itself. */
export function hasTemplate(text: string): boolean {
  return text.includes('{{') || text.includes('{%')
}

/**
 * Compiles a text. Most texts are plain paths, alone or between words: those are read without Liquid, which costs some
 * 20 µs for each text and send.
 * @throws TemplateError that says what is wrong with it.
 */
export function compileLeaf(text: string): Leaf {
  const pieces = splitPaths(text)
  if (pieces === null) return compileLiquid(text)
  const reads = pieces.filter((piece) => typeof piece !== 'string')
  const [only] = pieces
  if (pieces.length === 1 && only !== undefined && typeof only !== 'string') {
    return { reads, isExpression: true, evaluate: (scope) => readPath(scope, only) }
  }
  const evaluate = (scope: Scope) => {
    let joined = ''
    for (const piece of pieces) joined += typeof piece === 'string' ? piece : asText(readPath(scope, piece))
    return joined
  }
  return { reads, isExpression: false, evaluate }
}

/** An expression without braces: `message.tags`, `message.priority == "HIGH"`. */
export function compileExpression(text: string): Leaf {
  const bare = asPath(text.trim())
  if (bare !== null) return { reads: [bare], isExpression: true, evaluate: (scope) => readPath(scope, bare) }
  return compileLiquid(`{{ ${text} }}`)
}

/** A condition without braces. A path holds when it leads to something: not null, false, '' or an empty list. */
export function compileCondition(text: string): Leaf {
  const bare = asPath(text.trim())
  if (bare !== null) return { reads: [bare], isExpression: true, evaluate: (scope) => isThere(readPath(scope, bare)) }
  const inner = compileLiquid(`{% if ${text} %}1{% endif %}`)
  return { reads: inner.reads, isExpression: true, evaluate: (scope) => inner.evaluate(scope) === '1' }
}

function isThere(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return false
  return !Array.isArray(value) || value.length > 0
}

function readPath(scope: Scope, names: readonly string[]): unknown {
  let value: unknown = scope
  for (const name of names) {
    if (value === undefined || value === null) return undefined
    value = ownProperty(value, name)
  }
  return value
}

function asPath(text: string): readonly string[] | null {
  const names = barePath.test(text) ? text.split('.') : []
  return names.length === 0 || names.some((name) => liquidWords.has(name)) ? null : names
}

/** Words and paths in turn; null when anything else is in the text. */
function splitPaths(text: string): readonly (string | readonly string[])[] | null {
  const pieces: (string | readonly string[])[] = []
  let end = 0
  for (const { 0: whole, 1: inner = '', index } of text.matchAll(pathExpression)) {
    const names = asPath(inner)
    if (names === null) return null
    if (index > end) pieces.push(text.slice(end, index))
    pieces.push(names)
    end = index + whole.length
  }
  if (end < text.length) pieces.push(text.slice(end))
  const odd = pieces.some((piece) => typeof piece === 'string' && /\{[{%]|[%}]\}/.test(piece))
  return odd ? null : pieces
}
