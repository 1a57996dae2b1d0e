import type { FieldError } from '../domain/errors.ts'
import { quote } from './describe.ts'

export interface JsonLimits {
  /** Objects and arrays inside each other. */
  readonly depthMax: number
  /** Values of any kind, counted at every level. */
  readonly nodesMax: number
}

export type PathPart = string | number

/** These names reach into prototypes wherever some later code copies objects key by key. */
const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/** `notifications[3].metadata["a b"]`: as the client would write it. */
export function formatPath(parts: readonly PathPart[]): string {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[A-Za-z_$][\w$]{0,63}$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${quote(part, 64)}]`
  }
  return text === '' ? 'body' : text
}

/** Why `text` cannot be stored as PostgreSQL text, or null. */
export function textFault(text: string): { readonly code: string; readonly message: string } | null {
  if (text.includes('\u0000')) return { code: 'nul_character', message: 'must not hold the character NUL (U+0000)' }
  if (!text.isWellFormed()) {
    return { code: 'lone_surrogate', message: 'must be well-formed Unicode, found half of a surrogate pair' }
  }
  return null
}

const byte = {
  quote: 0x22,
  backslash: 0x5c,
  comma: 0x2c,
  openArray: 0x5b,
  closeArray: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
}

/**
 * Whether a text is worth parsing at all: one pass over the bytes, since parsing ten megabytes of brackets holds up the
 * whole process for a second. Only what is far off is refused here; {@link guardJson} says precisely what is wrong.
 */
export function isParseable(bytes: Uint8Array, { depthMax, nodesMax }: JsonLimits): boolean {
  let depth = 0
  let separators = 0
  let inString = false
  for (let at = 0; at < bytes.length; at++) {
    const one = bytes[at]
    if (inString) {
      if (one === byte.backslash) at++
      else if (one === byte.quote) inString = false
    } else if (one === byte.quote) inString = true
    else if (one === byte.openArray || one === byte.openObject) {
      if (++depth > depthMax * 2) return false
    } else if (one === byte.closeArray || one === byte.closeObject) depth--
    else if (one === byte.comma && ++separators > nodesMax * 2) return false
  }
  return true
}

/** Walks a parsed body before anybody uses it. Returns the first thing that is wrong, or null. */
export function guardJson(root: unknown, limits: JsonLimits): FieldError | null {
  const path: PathPart[] = []
  let nodes = 0

  function fault(code: string, message: string): FieldError {
    const at = formatPath(path)
    return { path: at, code, message: `${at}: ${message}` }
  }

  function visitText(text: string): FieldError | null {
    const found = textFault(text)
    return found === null ? null : fault(found.code, found.message)
  }

  function visitChild(part: PathPart, child: unknown, depth: number): FieldError | null {
    path.push(part)
    const found = (typeof part === 'string' ? visitKey(part) : null) ?? visit(child, depth)
    path.pop()
    return found
  }

  function visitKey(key: string): FieldError | null {
    if (forbiddenKeys.has(key)) return fault('forbidden_key', 'this field name is not allowed')
    return visitText(key)
  }

  function visit(value: unknown, depth: number): FieldError | null {
    nodes++
    if (nodes > limits.nodesMax) {
      path.length = 0
      return fault('too_many_values', `expected at most ${limits.nodesMax} values in all, found more`)
    }
    if (typeof value === 'string') return visitText(value)
    if (typeof value !== 'object' || value === null) return null
    if (depth >= limits.depthMax) return fault('too_deep', `expected at most ${limits.depthMax} levels, found more`)
    const entries: Iterable<[PathPart, unknown]> = Array.isArray(value) ? value.entries() : Object.entries(value)
    for (const [part, child] of entries) {
      const found = visitChild(part, child, depth + 1)
      if (found !== null) return found
    }
    return null
  }

  return visit(root, 0)
}
