import { isAlias, isCollection, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml'
import { messageOf } from '../../domain/errors.ts'
import { type Finding, formatPath, type PathPart, type Problem, show } from './problems.ts'

/** Longest document that is read. */
export const documentBytesMax = 256 * 1_024
/** How many nodes aliases may stand for in all; connectors have no need for them. */
const aliasesMax = 50
const depthMax = 40
const problemsMax = 50

/** A parsed text that can say on which line a path stands. */
export interface SourceText {
  readonly value: unknown
  problem(finding: Finding): Problem
}

export type SourceRead =
  | { readonly ok: true; readonly source: SourceText }
  | { readonly ok: false; readonly problems: readonly Problem[] }

type Parsed = ReturnType<typeof parseDocument>

/** Reads YAML 1.2, and so JSON too. Never throws. */
export function readSource(text: string, file: string): SourceRead {
  const bytes = Buffer.byteLength(text)
  if (bytes > documentBytesMax) {
    const place = { file, line: 1, column: 1, path: '', didYouMean: null }
    return refuse([{ ...place, found: `${bytes} bytes`, expected: `at most ${documentBytesMax} bytes` }])
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error', version: '1.2' })
  const at = (offset: number, path: string, found: string, expected: string): Problem => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(line, 1), column: Math.max(col, 1), path, found, expected, didYouMean: null }
  }
  const wrong = [...document.errors, ...document.warnings].map(({ message, pos }) =>
    at(pos[0], '', message, 'well-formed YAML or JSON'),
  )
  if (wrong.length === 0) {
    for (const { offset, found, expected } of oddities(document)) wrong.push(at(offset, '', found, expected))
  }
  if (wrong.length > 0) return refuse(wrong.slice(0, problemsMax))
  try {
    const value: unknown = document.toJS({ maxAliasCount: aliasesMax })
    const problem = ({ path, found, expected, didYouMean = null }: Finding): Problem => ({
      ...at(offsetOf(document, path), formatPath(path), found, expected),
      didYouMean,
    })
    return { ok: true, source: { value, problem } }
  } catch (error) {
    return refuse([at(0, '', messageOf(error), `aliases for at most ${aliasesMax} nodes`)])
  }
}

function refuse(problems: readonly Problem[]): SourceRead {
  return { ok: false, problems }
}

interface Oddity {
  readonly offset: number
  readonly found: string
  readonly expected: string
}

/** What YAML allows and no connector may hold. */
function oddities(document: Parsed): readonly Oddity[] {
  const found: Oddity[] = []
  visit(document, {
    Pair(_, { key }) {
      const text: unknown = isScalar(key) ? key.value : null
      const offset = isNode(key) ? (key.range?.[0] ?? 0) : 0
      if (typeof text !== 'string' && typeof text !== 'number') {
        found.push({ offset, found: 'a key that is not a text', expected: 'a text' })
      } else if (text === '__proto__' || text === 'constructor' || text === 'prototype') {
        found.push({ offset, found: `the key ${show(text)}`, expected: 'another name' })
      }
    },
    Node(_, node, path) {
      const offset = node.range?.[0] ?? 0
      if (path.filter(isCollection).length >= depthMax) {
        found.push({ offset, found: 'deeper nesting', expected: `at most ${depthMax} levels` })
        return visit.BREAK
      }
      if (isScalar(node) && typeof node.value === 'number' && !Number.isFinite(node.value)) {
        found.push({ offset, found: show(node.value), expected: 'a finite number' })
      }
      return undefined
    },
  })
  return found
}

/** Of the key where the path has one, else of the nearest thing that would hold it. */
function offsetOf(document: Parsed, path: readonly PathPart[]): number {
  let node: unknown = document.contents
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0
  for (const part of path) {
    const holder = isAlias(node) ? node.resolve(document) : node
    if (isMap(holder)) {
      const pair = holder.items.find(({ key }) => isScalar(key) && String(key.value) === String(part))
      if (pair === undefined) return offset
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(holder) && typeof part === 'number') {
      node = holder.items[part]
      if (isNode(node)) offset = node.range?.[0] ?? offset
    } else {
      return offset
    }
  }
  return offset
}
