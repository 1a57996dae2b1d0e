import { escapeSlack, lookUp } from './filters.ts'
import { type LiquidText, outputCharsMax, type Scope, tooLong } from './liquid.ts'
import { asPath, pathPattern, readPath } from './paths.ts'
import { asText } from './values.ts'

type Names = readonly string[]
type Read = (scope: Scope) => unknown
type Write = (scope: Scope) => string

/** What is written of a text, one after the other. */
interface Block {
  readonly writes: Write[]
  /** Of an `if`: what is written when it does not hold; and which of both is being read. */
  readonly otherwise: Write[]
  readonly holds: Read | null
  inOtherwise: boolean
}

const output = `\\{\\{\\s*(?<path>${pathPattern})\\s*(?:\\|\\s*(?:(?<escape>escape_slack)|lookup:\\s*(?<table>${pathPattern}))\\s*)?\\}\\}`
const tag = `\\{%\\s*(?:if\\s+(?<condition>${pathPattern})|(?<otherwise>else)|(?<end>endif))\\s*%\\}`
const piece = new RegExp(`${output}|${tag}`, 'g')
const odd = /\{[{%]|[%}]\}/

/**
 * Compiles the part of Liquid of which most templates consist: texts, paths, the filters `lookup` and `escape_slack`, and
 * `if` on a path. The library takes ten times as long for each of them, and some are run for every send.
 * @returns null for everything else.
 */
export function compilePlainLiquid(text: string): LiquidText | null {
  const reads: Names[] = []
  const pathOf = (path: string): Names | null => {
    const names = asPath(path)
    if (names !== null) reads.push(names)
    return names
  }
  const stack: Block[] = [newBlock(null)]
  let only: Read | null = null
  let end = 0
  for (const match of text.matchAll(piece)) {
    const before = text.slice(end, match.index)
    end = match.index + match[0].length
    if (odd.test(before)) return null
    const { path, condition } = match.groups ?? {}
    if (before !== '') add(stack, () => before)
    if (path !== undefined) {
      const read = outputOf(match.groups ?? {}, pathOf)
      if (read === null) return null
      if (match[0] === text) only = read
      add(stack, (scope) => asText(read(scope)))
    } else if (condition !== undefined) {
      const names = pathOf(condition)
      if (names === null) return null
      stack.push(newBlock((scope) => readPath(scope, names)))
    } else if (!continueBlock(stack, match.groups?.['end'] !== undefined)) return null
  }
  const rest = text.slice(end)
  const [whole] = stack
  if (odd.test(rest) || stack.length !== 1 || whole === undefined) return null
  if (rest !== '') add(stack, () => rest)
  return { reads, isExpression: only !== null, evaluate: only ?? bounded(joined(whole.writes)) }
}

function bounded(write: Write): Write {
  return (scope) => {
    const text = write(scope)
    if (text.length > outputCharsMax) throw tooLong()
    return text
  }
}

function outputOf(
  { path = '', escape, table }: Readonly<Record<string, string | undefined>>,
  pathOf: (path: string) => Names | null,
): Read | null {
  const names = pathOf(path)
  if (names === null) return null
  if (escape !== undefined) return (scope) => escapeSlack(asText(readPath(scope, names)))
  if (table === undefined) return (scope) => readPath(scope, names)
  const tableNames = pathOf(table)
  return tableNames === null ? null : (scope) => lookUp(readPath(scope, names), readPath(scope, tableNames))
}

function newBlock(holds: Read | null): Block {
  return { writes: [], otherwise: [], holds, inOtherwise: false }
}

function add(stack: readonly Block[], write: Write): void {
  const block = stack.at(-1)
  const list = block?.inOtherwise === true ? block.otherwise : block?.writes
  list?.push(write)
}

/** At an `else` or `endif`. @returns false where none may stand. */
function continueBlock(stack: Block[], ends: boolean): boolean {
  const block = stack.at(-1)
  if (block === undefined || block.holds === null) return false
  if (!ends) {
    if (block.inOtherwise) return false
    block.inOtherwise = true
    return true
  }
  stack.pop()
  const { holds } = block
  const then = joined(block.writes)
  const otherwise = joined(block.otherwise)
  add(stack, (scope) => (isTruthy(holds(scope)) ? then(scope) : otherwise(scope)))
  return true
}

/** As in Liquid: an empty text holds. */
function isTruthy(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false
}

function joined(writes: readonly Write[]): Write {
  const [only] = writes
  if (writes.length === 1 && only !== undefined) return only
  return (scope) => {
    let text = ''
    for (const write of writes) text += write(scope)
    return text
  }
}
