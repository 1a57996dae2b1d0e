import type { NewNotification } from '../domain/notification.ts'
import type { AcceptedItem, AcceptResult, HeadStart } from '../port/notification-store.ts'
import { type AcceptRow, acceptPlainStatement, acceptStatement } from './accept-statements.ts'
import { claimedAtAccept } from './claimed-at-accept.ts'
import { StatementRefusedError } from './driver-errors.ts'
import { arrayLiteral, jsonText, type Param } from './params.ts'
import type { StorePools } from './pool.ts'
import { priorityNumbers } from './rows.ts'

type Request = readonly NewNotification[]

export interface AcceptSettings {
  /** Time to live after the due time, for items that bring none of their own. */
  readonly notificationTtlMs: number
  /** How long a key is kept; 0 = for ever. */
  readonly idempotencyTtlSeconds: number
}

/** Raised by the function `refuse_late_conflict` of the first migration. */
const lateConflictState = 'DE001'
const aloneTriesMax = 5

export async function accept(
  pools: StorePools,
  requests: readonly Request[],
  settings: AcceptSettings,
  headStart: HeadStart | null,
): Promise<readonly AcceptResult[]> {
  const call = { pools, settings, headStart }
  const ownConflicts = requests.map(conflictWithin)
  const sound = requests.filter((_, index) => ownConflicts[index] === -1)
  const answers = (await acceptTogether(call, sound)).values()
  return ownConflicts.map((index): AcceptResult => {
    if (index !== -1) return { kind: 'conflict', index }
    const answer = answers.next().value
    if (answer === undefined) throw new Error('accept: a request was left without an answer')
    return answer
  })
}

/** Index of the first item that repeats a key of an earlier item with another body, or -1. */
function conflictWithin(request: Request): number {
  const hashes = new Map<string, string | null>()
  return request.findIndex(({ tenant, idempotencyKey, bodyHash }) => {
    if (idempotencyKey === null) return false
    const key = JSON.stringify([tenant, idempotencyKey])
    const earlier = hashes.get(key)
    if (earlier === undefined) hashes.set(key, bodyHash)
    return earlier !== undefined && earlier !== bodyHash
  })
}

interface Call {
  readonly pools: StorePools
  readonly settings: AcceptSettings
  readonly headStart: HeadStart | null
}

async function acceptTogether(call: Call, requests: readonly Request[]): Promise<readonly AcceptResult[]> {
  if (requests.every((request) => request.length === 0)) return requests.map(() => ({ kind: 'stored', items: [] }))
  try {
    return await acceptOnce(call, requests)
  } catch (error) {
    if (!isLateConflict(error)) throw error
  }
  // Halves, so that the neighbours of the one that conflicts still share their statements.
  const [only] = requests
  if (requests.length === 1 && only !== undefined) return [await acceptAlone(call, only)]
  const middle = requests.length >> 1
  const first = await acceptTogether(call, requests.slice(0, middle))
  return [...first, ...(await acceptTogether(call, requests.slice(middle)))]
}

/** By the second try the winner is committed and seen; only keys that end in this very moment need more. */
async function acceptAlone(call: Call, request: Request): Promise<AcceptResult> {
  for (let tryNumber = 1; ; tryNumber++) {
    try {
      const [result] = await acceptOnce(call, [request])
      return result ?? { kind: 'stored', items: [] }
    } catch (error) {
      if (!isLateConflict(error) || tryNumber >= aloneTriesMax) throw error
    }
  }
}

function isLateConflict(error: unknown): boolean {
  return error instanceof StatementRefusedError && error.sqlState === lateConflictState
}

async function acceptOnce(call: Call, requests: readonly Request[]): Promise<readonly AcceptResult[]> {
  const rows = await runFor(call, requests)
  let start = 0
  return requests.map((request): AcceptResult => {
    const own = rows.slice(start, start + request.length)
    start += request.length
    const index = own.findIndex((row) => row.outcome === 'conflict')
    if (index !== -1) return { kind: 'conflict', index }
    return { kind: 'stored', items: request.map((item, at) => toItem(item, own[at])) }
  })
}

function runFor({ pools, settings, headStart }: Call, requests: readonly Request[]): Promise<readonly AcceptRow[]> {
  const items = requests.flat()
  const starts = [
    items.map(({ id }) => headStart?.ids.has(id) ?? false),
    headStart?.lease.owner ?? null,
    headStart?.lease.durationMs ?? null,
    settings.notificationTtlMs,
  ]
  return items.every(({ idempotencyKey }) => idempotencyKey === null)
    ? pools.work.run(acceptPlainStatement, [...lanesOf(items), ...contentsOf(items), ...starts])
    : pools.rest.run(acceptStatement, [
        ...places(requests),
        ...lanesOf(items),
        ...keysOf(items),
        ...contentsOf(items),
        ...starts,
        settings.idempotencyTtlSeconds,
      ])
}

/** Which request an item belongs to, and how many it has. */
function places(requests: readonly Request[]): readonly Param[] {
  return [
    requests.flatMap((request, index) => request.map(() => index)),
    requests.flatMap((request) => request.map(() => request.length)),
  ]
}

function lanesOf(items: Request): readonly Param[] {
  return [
    items.map((n) => n.id),
    items.map((n) => n.tenant),
    items.map((n) => n.channel),
    items.map((n) => priorityNumbers[n.priority]),
  ]
}

function keysOf(items: Request): readonly Param[] {
  return [items.map((n) => n.idempotencyKey), items.map((n) => n.bodyHash)]
}

function contentsOf(items: Request): readonly Param[] {
  return [
    items.map((n) => n.scheduledAt),
    items.map((n) => n.expiresAt),
    items.map((n) => n.maxRetries),
    items.map((n) => n.batchId),
    items.map((n) => n.correlationId),
    items.map((n) => n.recipient),
    items.map((n) => n.content),
    items.map((n) => n.title),
    items.map((n) => n.html),
    items.map((n) => jsonText(n.data)),
    items.map((n) => n.provider),
    items.map((n) => arrayLiteral(n.tags)),
    items.map((n) => jsonText(n.metadata)),
    items.map((n) => n.traceparent),
  ]
}

function toItem(item: NewNotification, row: AcceptRow | undefined): AcceptedItem {
  if (row === undefined) throw new Error(`accept answered nothing for ${item.id}`)
  return {
    id: row.id,
    duplicate: row.outcome === 'duplicate',
    createdAt: row.createdAt,
    status: row.status,
    expiresAt: row.expiresAt,
    dueInMs: Math.max(0, row.dueInMs),
    claimed: row.claimed ? claimedAtAccept(item, row.createdAt) : null,
  }
}
