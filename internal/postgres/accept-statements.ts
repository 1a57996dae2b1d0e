import { lookAgainMs } from '../domain/protocol.ts'
import { recordClaim } from './claim-record-statements.ts'
import type { Statement } from './pool.ts'

export interface AcceptRow {
  readonly id: string
  readonly outcome: 'created' | 'duplicate' | 'conflict' | 'withheld'
  readonly createdAt: Date
  readonly status: 'ACCEPTED' | 'QUEUED'
  readonly expiresAt: Date
  readonly dueInMs: number
  readonly claimed: boolean
}

/** When a stored row must be looked at: at its schedule, else when its publish can be given up for lost. */
const dueOf = (row: string, leaseMs: string) => `LEAST(${row}.ends,
    CASE ${row}.status WHEN 'ACCEPTED' THEN ${row}.scheduled ELSE now() + interval '${lookAgainMs} ms' END,
    CASE ${row}.status WHEN 'SENDING' THEN now() + ${leaseMs}::float8 * interval '1 ms' END)`

/** A head start is a claim in the moment of the insert: the row is as accept and claim together would leave it. */
const statusOf = (row: string, starts: string) => `CASE WHEN ${row}.scheduled > now() THEN 'ACCEPTED'
    WHEN ${starts} AND ${row}.ends > now() THEN 'SENDING' ELSE 'QUEUED' END AS status`

const insertRows = (source: string, owner: string, leaseMs: string) => `
  INSERT INTO notifications (id, tenant, channel, priority, status, max_attempts, due_at, ready_at, expires_at, created_at,
                             updated_at, attempt_count, lease_token, lease_owner, lease_until)
  SELECT id, tenant, channel, priority, status, max_retries, due, due_first, ends, now(), now(),
         (status = 'SENDING')::int, (status = 'SENDING')::int, CASE status WHEN 'SENDING' THEN ${owner} END,
         CASE status WHEN 'SENDING' THEN now() + ${leaseMs}::float8 * interval '1 ms' END
  FROM ${source} ON CONFLICT (id) DO NOTHING`

/** Also rows that an earlier run of the same call has stored: looked at once more when the lease is over, that is all. */
const started = (rows: string) => `(SELECT id FROM ${rows} WHERE status = 'SENDING') AS started`

const answerColumns = `now()::timestamptz(3) AS "createdAt", CASE status WHEN 'SENDING' THEN 'QUEUED' ELSE status END AS status,
  ends::timestamptz(3) AS "expiresAt", (extract(epoch FROM due - now()) * 1000)::float8 AS "dueInMs"`

/**
 * Keys first, in key order, and ON CONFLICT DO UPDATE, which waits for a racing insert and then always returns the row
 * that won: the winner is whose own id came back. (DO NOTHING and a look at the table afterwards deadlocks, and leaves
 * racing calls without an answer.) Requests that conflict with what is stored already are left out as a whole; a
 * conflict that shows only now undoes the whole statement when its request has other items.
 * Ids are the caller's, so repeating the statement after a lost answer stores nothing twice.
 */
export const acceptStatement: Statement<AcceptRow> = {
  name: 'accept',
  text: `
WITH i AS MATERIALIZED (
  SELECT t.*, GREATEST(t.scheduled, now()) AS due_first
  FROM unnest($1::int[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::smallint[], $7::text[], $8::text[],
              $9::timestamptz[], $10::timestamptz[], $11::int[], $12::uuid[], $13::text[], $14::text[], $15::text[],
              $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::bool[])
    WITH ORDINALITY AS t(request, items, id, tenant, channel, priority, key, hash, scheduled, expires, max_retries,
                         batch_id, correlation_id, recipient, content, title, html, data, provider, tags, metadata,
                         traceparent, starts, ord)),
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
         CASE WHEN $27::float8 = 0 THEN 'infinity' ELSE now() + $27::float8 * interval '1 s' END
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
    COALESCE(i.expires, i.due_first + $26::float8 * interval '1 ms') AS ends
  FROM i LEFT JOIN k ON k.tenant = i.tenant AND k.key = i.key),
w AS MATERIALIZED (
  SELECT s.*, ${dueOf('s', '$25')} AS due FROM (SELECT r.*, ${statusOf('r', "r.starts AND r.outcome = 'created'")} FROM r) AS s),
created AS (
  SELECT * FROM w WHERE outcome = 'created'),
n AS (${insertRows('created', '$24', '$25')}),
c AS (${recordClaim(started('created'), '$25')}),
p AS (
  INSERT INTO payloads (id, tenant, batch_id, correlation_id, idempotency_key, recipient, content, title, html, data,
                        provider, tags, metadata, traceparent, scheduled_at, max_retries, created_at)
  SELECT id, tenant, batch_id, correlation_id, key, recipient, content, title, html, data::jsonb, provider,
         tags::text[], metadata::jsonb, traceparent, scheduled, max_retries, now() FROM created
  ON CONFLICT (id) DO NOTHING)
SELECT stored_id AS id, outcome, status = 'SENDING' AS claimed, ${answerColumns}
FROM w ORDER BY ord`,
}

/**
 * For groups in which nobody brings a key: nothing can conflict or repeat but a row that this very call has stored
 * before. The same columns as {@link acceptStatement}, without its look at the keys.
 */
export const acceptPlainStatement: Statement<AcceptRow> = {
  name: 'accept',
  text: `
WITH i AS (
  SELECT t.*, GREATEST(t.scheduled, now()) AS due_first,
    COALESCE(t.expires, GREATEST(t.scheduled, now()) + $22::float8 * interval '1 ms') AS ends
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::timestamptz[], $6::timestamptz[], $7::int[],
              $8::uuid[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
              $16::text[], $17::text[], $18::text[], $19::bool[])
    WITH ORDINALITY AS t(id, tenant, channel, priority, scheduled, expires, max_retries,
                         batch_id, correlation_id, recipient, content, title, html, data, provider, tags, metadata,
                         traceparent, starts, ord)),
w AS MATERIALIZED (
  SELECT s.*, ${dueOf('s', '$21')} AS due FROM (SELECT i.*, ${statusOf('i', 'i.starts')} FROM i) AS s),
n AS (${insertRows('w', '$20', '$21')}),
c AS (${recordClaim(started('w'), '$21')}),
p AS (
  INSERT INTO payloads (id, tenant, batch_id, correlation_id, recipient, content, title, html, data, provider,
                        tags, metadata, traceparent, scheduled_at, max_retries, created_at)
  SELECT id, tenant, batch_id, correlation_id, recipient, content, title, html, data::jsonb, provider,
         tags::text[], metadata::jsonb, traceparent, scheduled, max_retries, now() FROM w
  ON CONFLICT (id) DO NOTHING)
SELECT id, 'created' AS outcome, status = 'SENDING' AS claimed, ${answerColumns}
FROM w ORDER BY ord`,
}
