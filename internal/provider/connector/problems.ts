import { closest, distance } from 'fastest-levenshtein'

/** One thing that is wrong with a connector document, and where. */
export interface Problem {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** `errors[2].match.status`; '' is the document itself. */
  readonly path: string
  readonly found: string
  readonly expected: string
  /** A known name that is near the unknown one that was found. */
  readonly didYouMean: string | null
}

export type PathPart = string | number

/** A problem before it is known where in the text its path stands. */
export interface Finding {
  readonly path: readonly PathPart[]
  readonly found: string
  readonly expected: string
  readonly didYouMean?: string | null
}

/** Takes what a check finds. */
export type Report = (path: readonly PathPart[], found: string, expected: string, didYouMean?: string | null) => void

/** `file:12:5 errors[2].class: found "transitory", expected one of …; did you mean "transient"?` */
export function formatProblem({ file, line, column, path, found, expected, didYouMean }: Problem): string {
  const hint = didYouMean === null ? '' : `; did you mean ${JSON.stringify(didYouMean)}?`
  return `${file}:${line}:${column} ${path === '' ? 'document' : path}: found ${found}, expected ${expected}${hint}`
}

export function formatPath(parts: readonly PathPart[]): string {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'number') text += `[${part}]`
    else if (!/^[\w$@-]+$/.test(part)) text += `[${JSON.stringify(part)}]`
    else text += text === '' ? part : `.${part}`
  }
  return text
}

const shownMax = 80

/** What stands in a document, short enough for one line. Documents hold no secrets: those are in the configuration. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'a mapping'
  const text = JSON.stringify(value)
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text
}

/** The known name that `name` was probably meant to be; null when none is near. */
export function nearest(name: string, known: readonly string[]): string | null {
  if (name === '' || name.length > 64 || known.length === 0) return null
  const lower = name.toLowerCase()
  const near = closest(
    lower,
    known.map((one) => one.toLowerCase()),
  )
  const limit = Math.max(1, Math.floor(Math.max(near.length, lower.length) / 3))
  if (distance(lower, near) > limit) return null
  return known.find((one) => one.toLowerCase() === near) ?? null
}

/** `a`, `a or b`, `one of a, b, c`. */
export function listOf(words: readonly string[]): string {
  if (words.length <= 2) return words.join(' or ')
  return `one of ${words.join(', ')}`
}
