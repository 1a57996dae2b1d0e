import type { NewNotification } from '../domain/notification.ts'
import { lookAgainMs } from '../domain/protocol.ts'
import type { AcceptedItem, AcceptResult } from '../port/notification-store.ts'
import { StatementRefusedError } from './driver-errors.ts'

import { arrayLiteral, jsonText, type Param } from './params.ts'
import type { Statement, StorePools } from './pool.ts'
import { priorityNumbers } from './rows.ts'

type Request = readonly NewNotification[]

export interface AcceptSettings {
  /** Time to live after the due time, for items that bring none of their own. */
  readonly notificationTtlMs: number
  /** How long a key is kept; 0 = for ever. */
  readonly idempotencyTtlSeconds: number
}

interface AcceptRow {
  readonly id: string
  readonly outcome: 'created' | 'duplicate' | 'conflict' | 'withheld'
  readonly createdAt: Date
  readonly status: 'ACCEPTED' | 'QUEUED'
  readonly expiresAt: Date
  readonly dueInMs: number
}

/** Raised by the function `refuse_late_conflict` of the first migration. */
const lateConflictState = 'DE001'
const aloneTriesMax = 5

/**
 * Keys first, in key order, and ON CONFLICT DO UPDATE, which waits for a racing insert and then always returns the row
 * that won: the winner is whose own id came back. (DO NOTHING and a look at the table afterwards deadlocks, and leaves
 * racing calls without an answer.) Requests that conflict with what is stored already are left out as a whole; a
 * conflict that shows only now undoes the whole statement when its request has other items.
 * Ids are the caller's, so repeating the statement after a lost answer stores nothing twice.
 */
const acceptStatement: Statement<AcceptRow> = {
  name: 'accept',
  text: `
WITH i AS MATERIALIZED (
  SELECT t.*, GREATEST(t.scheduled, now()) AS due_first
  FROM unnest($1::int[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::smallint[], $7::text[], $8::text[],
              $9::timestamptz[], $10::timestamptz[], $11::int[], $12::uuid[], $13::text[], $14::text[], $15::text[],
              $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[])
    WITH ORDINALITY AS t(request, items, id, tenant, channel, priority, key, hash, scheduled, expires, max_retries,
                         batch_id, correlation_id, recipient, content, title, html, data, provider, tags, metadata,
                         traceparent, ord)),
known AS MATERIALIZED (
  SELECT i.ord, i.request FROM i JOIN idempotency t ON t.tenant = i.tenant AND t.key = i.key
  WHERE t.expires_at > now() AND t.body_hash <> i.hash),
f AS (
  SELECT DISTINCT ON (tenant, key) tenant, key, hash, id FROM i
  WHERE key IS NOT NULL AND request NOT IN (SELECT request FROM known)
  ORDER BY tenant, key, ord),
k AS (
  INSERT INTO idempotency AS t (tenant, key, body_hash, notification_id, expires_at)
  SELECT tenant, key, hash, id,
         CASE WHEN $23::float8 = 0 THEN 'infinity' ELSE now() + $23::float8 * interval '1 s' END
  FROM f ORDER BY tenant, key
  ON CONFLICT (tenant, key) DO UPDATE SET
    body_hash = CASE WHEN t.expires_at <= now() THEN excluded.body_hash ELSE t.body_hash END,
    notification_id = CASE WHEN t.expires_at <= now() THEN excluded.notification_id ELSE t.notification_id END,
    expires_at = CASE WHEN t.expires_at <= now() THEN excluded.expires_at ELSE t.expires_at END
  RETURNING tenant, key, body_hash, notification_id),
r AS MATERIALIZED (
  SELECT i.*, COALESCE(k.notification_id, i.id) AS stored_id,
    CASE WHEN i.ord IN (SELECT ord FROM known) THEN 'conflict'
         WHEN i.request IN (SELECT request FROM known) THEN 'withheld'
         WHEN k.body_hash <> i.hash THEN CASE WHEN i.items > 1 THEN refuse_late_conflict() ELSE 'conflict' END
         WHEN k.notification_id <> i.id THEN 'duplicate'
         ELSE 'created' END AS outcome,
    CASE WHEN i.scheduled > now() THEN 'ACCEPTED' ELSE 'QUEUED' END AS status,
    COALESCE(i.expires, i.due_first + $24::float8 * interval '1 ms') AS ends
  FROM i LEFT JOIN k ON k.tenant = i.tenant AND k.key = i.key),
w AS MATERIALIZED (
  SELECT r.*, ${dueOf('r')} AS due FROM r),
n AS (
  INSERT INTO notifications (id, tenant, channel, priority, status, max_attempts, due_at, ready_at, expires_at,
                             created_at, updated_at)
  SELECT id, tenant, channel, priority, status, max_retries, due, due_first, ends, now(), now() FROM w WHERE outcome = 'created'
  ON CONFLICT (id) DO NOTHING),
p AS (
  INSERT INTO payloads (id, tenant, batch_id, correlation_id, idempotency_key, recipient, content, title, html, data,
                        provider, tags, metadata, traceparent, scheduled_at, max_retries, created_at)
  SELECT id, tenant, batch_id, correlation_id, key, recipient, content, title, html, data::jsonb, provider,
         tags::text[], metadata::jsonb, traceparent, scheduled, max_retries, now() FROM w WHERE outcome = 'created'
  ON CONFLICT (id) DO NOTHING)
SELECT stored_id AS id, outcome, now()::timestamptz(3) AS "createdAt", status, ends::timestamptz(3) AS "expiresAt",
       (extract(epoch FROM due - now()) * 1000)::float8 AS "dueInMs"
FROM w ORDER BY ord`,
}

/**
 * For groups in which nobody brings a key: nothing can conflict or repeat but a row that this very call has stored
 * before. The same columns as {@link acceptStatement}, without its look at the keys.
 */
const acceptPlainStatement: Statement<AcceptRow> = {
  name: 'accept',
  text: `
WITH i AS MATERIALIZED (
  SELECT t.*, GREATEST(t.scheduled, now()) AS due_first,
    CASE WHEN t.scheduled > now() THEN 'ACCEPTED' ELSE 'QUEUED' END AS status,
    COALESCE(t.expires, GREATEST(t.scheduled, now()) + $19::float8 * interval '1 ms') AS ends
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::timestamptz[], $6::timestamptz[], $7::int[],
              $8::uuid[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
              $16::text[], $17::text[], $18::text[])
    WITH ORDINALITY AS t(id, tenant, channel, priority, scheduled, expires, max_retries,
                         batch_id, correlation_id, recipient, content, title, html, data, provider, tags, metadata,
                         traceparent, ord)),
n AS (
  INSERT INTO notifications (id, tenant, channel, priority, status, max_attempts, due_at, ready_at, expires_at,
                             created_at, updated_at)
  SELECT id, tenant, channel, priority, status, max_retries, ${dueOf('i')}, due_first, ends, now(), now() FROM i
  ON CONFLICT (id) DO NOTHING),
p AS (
  INSERT INTO payloads (id, tenant, batch_id, correlation_id, recipient, content, title, html, data, provider,
                        tags, metadata, traceparent, scheduled_at, max_retries, created_at)
  SELECT id, tenant, batch_id, correlation_id, recipient, content, title, html, data::jsonb, provider,
         tags::text[], metadata::jsonb, traceparent, scheduled, max_retries, now() FROM i
  ON CONFLICT (id) DO NOTHING)
SELECT id, 'created' AS outcome, now()::timestamptz(3) AS "createdAt", status, ends::timestamptz(3) AS "expiresAt",
       (extract(epoch FROM ${dueOf('i')} - now()) * 1000)::float8 AS "dueInMs"
FROM i ORDER BY ord`,
}

/** When a stored row must be looked at: at its schedule, else when its publish can be given up for lost. */
function dueOf(row: string): string {
  return `LEAST(CASE WHEN ${row}.status = 'ACCEPTED' THEN ${row}.scheduled
    ELSE now() + interval '${lookAgainMs} ms' END, ${row}.ends)`
}

export async function accept(
  pools: StorePools,
  requests: readonly Request[],
  settings: AcceptSettings,
): Promise<readonly AcceptResult[]> {
  const ownConflicts = requests.map(conflictWithin)
  const sound = requests.filter((_, index) => ownConflicts[index] === -1)
  const answers = (await acceptTogether(pools, sound, settings)).values()
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

async function acceptTogether(
  pools: StorePools,
  requests: readonly Request[],
  settings: AcceptSettings,
): Promise<readonly AcceptResult[]> {
  if (requests.every((request) => request.length === 0)) return requests.map(() => ({ kind: 'stored', items: [] }))
  try {
    return await acceptOnce(pools, requests, settings)
  } catch (error) {
    if (!isLateConflict(error)) throw error
  }
  // Halves, so that the neighbours of the one that conflicts still share their statements.
  const [only] = requests
  if (requests.length === 1 && only !== undefined) return [await acceptAlone(pools, only, settings)]
  const middle = requests.length >> 1
  const first = await acceptTogether(pools, requests.slice(0, middle), settings)
  return [...first, ...(await acceptTogether(pools, requests.slice(middle), settings))]
}

/** By the second try the winner is committed and seen; only keys that end in this very moment need more. */
async function acceptAlone(pools: StorePools, request: Request, settings: AcceptSettings): Promise<AcceptResult> {
  for (let tryNumber = 1; ; tryNumber++) {
    try {
      const [result] = await acceptOnce(pools, [request], settings)
      return result ?? { kind: 'stored', items: [] }
    } catch (error) {
      if (!isLateConflict(error) || tryNumber >= aloneTriesMax) throw error
    }
  }
}

function isLateConflict(error: unknown): boolean {
  return error instanceof StatementRefusedError && error.sqlState === lateConflictState
}

async function acceptOnce(
  pools: StorePools,
  requests: readonly Request[],
  settings: AcceptSettings,
): Promise<readonly AcceptResult[]> {
  const items = requests.flat()
  const hasKeys = items.some(({ idempotencyKey }) => idempotencyKey !== null)
  const rows = hasKeys
    ? await pools.rest.run(acceptStatement, [
        ...places(requests),
        ...lanesOf(items),
        ...keysOf(items),
        ...contentsOf(items),
        settings.idempotencyTtlSeconds,
        settings.notificationTtlMs,
      ])
    : await pools.work.run(acceptPlainStatement, [...lanesOf(items), ...contentsOf(items), settings.notificationTtlMs])
  let start = 0
  return requests.map((request) => {
    const own = rows.slice(start, start + request.length)
    start += request.length
    const index = own.findIndex((row) => row.outcome === 'conflict')
    return index === -1 ? { kind: 'stored', items: own.map(toItem) } : { kind: 'conflict', index }
  })
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

function toItem(row: AcceptRow): AcceptedItem {
  return {
    id: row.id,
    duplicate: row.outcome === 'duplicate',
    createdAt: row.createdAt,
    status: row.status,
    expiresAt: row.expiresAt,
    dueInMs: Math.max(0, row.dueInMs),
  }
}
