import { envelopeRefsMax } from '../domain/protocol.ts'
import type { Reference } from '../port/broker.ts'

/** A full envelope is about 6 kB; what is longer was not written by us. */
const bodyBytesMax = 16_384
const idShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/u

type Decoded =
  | { readonly kind: 'refs'; readonly refs: readonly Reference[] }
  /** `reason` never holds anything of the message. */
  | { readonly kind: 'unreadable'; readonly reason: string }

/** `{"v":1,"items":[[id,leaseToken],…]}`: references only, so that a message cannot grow with a payload. */
export function encodeRefs(refs: readonly Reference[]): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, items: refs.map((ref) => [ref.id, ref.leaseToken]) }))
}

/** Strict: a message that is not exactly ours is set aside, not guessed at. */
export function decodeRefs(body: Buffer): Decoded {
  if (body.length > bodyBytesMax) return unreadable('too long')
  const parsed = parse(body)
  if (typeof parsed !== 'object' || parsed === null) return unreadable('not a JSON object')
  if (!('v' in parsed) || parsed.v !== 1) return unreadable('unknown version')
  if (!('items' in parsed) || !Array.isArray(parsed.items)) return unreadable('no items')
  const items: readonly unknown[] = parsed.items
  if (items.length < 1 || items.length > envelopeRefsMax) return unreadable('wrong number of items')
  const refs = items.flatMap((item) => decodeRef(item) ?? [])
  return refs.length === items.length ? { kind: 'refs', refs } : unreadable('an item is not [id, token]')
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return null
  }
}

function decodeRef(item: unknown): Reference | null {
  if (!Array.isArray(item)) return null
  const parts: readonly unknown[] = item
  const [id, leaseToken] = parts
  if (parts.length !== 2) return null
  if (typeof id !== 'string' || !idShape.test(id)) return null
  if (typeof leaseToken !== 'number' || !Number.isSafeInteger(leaseToken) || leaseToken < 0) return null
  return { id, leaseToken }
}

function unreadable(reason: string): Decoded {
  return { kind: 'unreadable', reason }
}
