import type postgres from 'postgres'
import type { Channel } from '../../../internal/domain/notification.ts'
import { content, phonePrefix, recipientDigits } from '../items.ts'
import { sharedNowMs } from '../time.ts'

/** Those of the rows, in turns; all of normal priority. So each of three lanes holds more than one pass of the scan takes. */
export const rowChannels: readonly Channel[] = ['SMS', 'EMAIL', 'PUSH']

/**
 * `waiting`: QUEUED, accepted within an hour and due for another look in the order they came, all overdue: as a stall
 * leaves them.
 * `finished`: SENT, and of a hundred one FAILED and one CANCELED, over thirty days; each but the canceled one with an
 * attempt.
 */
export type RowKind = 'waiting' | 'finished'

export interface FillOptions {
  readonly kind: RowKind
  readonly count: number
  readonly signal: AbortSignal
  /** Given up then, by the shared clock. */
  readonly deadlineMs: number
  readonly say: (line: string) => void
}

const stepRows = 50_000
const sayEveryRows = 500_000

/**
 * Writes rows with their payloads and attempts as the engine leaves them, far faster than it could. Ids ascend with
 * the time they were made, as those of the engine do.
 * @throws Error when the time is over, or the signal's reason.
 */
export async function addRows(sql: postgres.Sql, { kind, count, signal, deadlineMs, say }: FillOptions): Promise<void> {
  const newest = new Date()
  for (let from = 0; from < count; from += stepRows) {
    signal.throwIfAborted()
    if (sharedNowMs() > deadlineMs) throw new Error(`not done in time: ${from} of ${count} rows are made`)
    if (from > 0 && from % sayEveryRows === 0) say(`  ${from.toLocaleString('en')} ${kind} rows are made`)
    const rows = generated(sql, { kind, newest, from, to: Math.min(from + stepRows, count) - 1, count })
    await (kind === 'waiting' ? insertWaiting(sql, rows) : insertFinished(sql, rows))
  }
}

interface Range {
  readonly kind: RowKind
  readonly newest: Date
  readonly from: number
  readonly to: number
  readonly count: number
}

const rowSpans = { waiting: '1 hour', finished: '30 days' } as const satisfies Record<RowKind, string>

/** Number, id (48 bits of time, then the number, as version 7 has it), channel and time of each row. */
function generated(sql: postgres.Sql, { kind, newest, from, to, count }: Range) {
  return sql`
    SELECT s.number, s.created,
      (lpad(to_hex((extract(epoch FROM s.created) * 1000)::bigint), 12, '0') || '70008000' ||
       lpad(to_hex(s.number), 12, '0'))::uuid AS id,
      (string_to_array(${rowChannels.join()}, ','))[1 + s.number % ${rowChannels.length}::int] AS channel
    FROM (
      SELECT number, ${newest}::timestamptz - ${rowSpans[kind]}::interval * (1 - number::float8 / ${count}::float8) AS created
      FROM generate_series(${from}::bigint, ${to}::bigint) AS number) AS s`
}

type Rows = ReturnType<typeof generated>

function payloads(sql: postgres.Sql) {
  return sql`
    INSERT INTO payloads (id, tenant, correlation_id, recipient, content, max_retries, created_at)
    SELECT id, 'default', id::text, ${phonePrefix} || lpad(number::text, ${recipientDigits}::int, '0'), ${content}, 5, created
    FROM g`
}

async function insertWaiting(sql: postgres.Sql, rows: Rows): Promise<void> {
  await sql`
    WITH g AS MATERIALIZED (${rows}), p AS (${payloads(sql)})
    INSERT INTO notifications (id, tenant, channel, priority, status, max_attempts, due_at, ready_at, expires_at,
                               created_at, updated_at)
    SELECT id, 'default', channel, 2, 'QUEUED', 5, created, created,
           now() + interval '1 day', created, created FROM g`
}

async function insertFinished(sql: postgres.Sql, rows: Rows): Promise<void> {
  await sql`
    WITH g AS MATERIALIZED (${rows}), p AS (${payloads(sql)}),
    e AS MATERIALIZED (
      SELECT g.*, CASE number % 100 WHEN 0 THEN 'FAILED' WHEN 1 THEN 'CANCELED' ELSE 'SENT' END AS status FROM g),
    a AS (
      INSERT INTO attempts (notification_id, number, generation, outcome, provider, status_code, error_code,
                            error_message, duration_ms, finished_at)
      SELECT id, 1, 0, CASE status WHEN 'SENT' THEN 'ok' ELSE 'permanent' END, 'webhook',
             CASE status WHEN 'SENT' THEN 202 ELSE 400 END, CASE status WHEN 'FAILED' THEN 'http_400' END,
             CASE status WHEN 'FAILED' THEN 'The target answered 400.' END, 12, created
      FROM e WHERE status <> 'CANCELED')
    INSERT INTO notifications (id, tenant, channel, priority, status, attempt_count, max_attempts, lease_token, reason,
                               provider_message_id, ready_at, expires_at, created_at, updated_at)
    SELECT id, 'default', channel, 2, status, CASE status WHEN 'CANCELED' THEN 0 ELSE 1 END, 5, 1,
           CASE status WHEN 'FAILED' THEN 'permanent_error' END, CASE status WHEN 'SENT' THEN 'm' END, created,
           created + interval '1 day', created, created FROM e`
}
