import { compileLiquid, type Scope } from './liquid.ts'
import { asPath, readPath } from './paths.ts'
import { compilePlainLiquid } from './plain-liquid.ts'

/** One text of a document that holds expressions. */
export interface Leaf {
  /** What it reads from outside: `["message", "data", "url"]`. */
  readonly reads: readonly (readonly string[])[]
  /** True when it is one expression, whose value keeps its type. */
  readonly isExpression: boolean
  /** @throws TemplateError */
  evaluate(scope: Scope): unknown
}

/** True for a text that means more than itself. */
export function hasTemplate(text: string): boolean {
  return text.includes('{{') || text.includes('{%')
}

/**
 * Compiles a text.
 * @throws TemplateError that says what is wrong with it.
 */
export function compileLeaf(text: string): Leaf {
  return compilePlainLiquid(text) ?? compileLiquid(text)
}

/** An expression without braces: `message.tags`, `message.priority == "HIGH"`. */
export function compileExpression(text: string): Leaf {
  const bare = asPath(text.trim())
  if (bare !== null) return { reads: [bare], isExpression: true, evaluate: (scope) => readPath(scope, bare) }
  return compileLeaf(`{{ ${text} }}`)
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
