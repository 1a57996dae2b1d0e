import type { Channel, Status } from '../domain/notification.ts'
import { lookAgainMs } from '../domain/protocol.ts'
import type { Statement } from './pool.ts'

/** The two side doors. Both answer in one statement whether they did it, and if not, what stood in the way. */

export interface CancelRow {
  readonly status: Status
  readonly canceled: boolean
}

/** $1 tenant, $2 id. No row: unknown. */
export const cancelStatement: Statement<CancelRow> = {
  name: 'cancel',
  text: `
WITH u AS (
  UPDATE notifications SET status = 'CANCELED', due_at = NULL, next_retry_at = NULL, updated_at = now()
  WHERE id = $2::uuid AND tenant = $1 AND status IN ('ACCEPTED', 'QUEUED') RETURNING status)
SELECT status, true AS canceled FROM u
UNION ALL
SELECT status, false FROM notifications WHERE id = $2::uuid AND tenant = $1 AND NOT EXISTS (SELECT 1 FROM u)`,
}

export interface ReplayRow {
  readonly replayed: boolean
  readonly channel: Channel
  readonly priority: number
  readonly leaseToken: number
  readonly status: Status
  readonly generation: number
  readonly outcomeUnknown: boolean
}

/** $1 tenant, $2 id, $3 expected generation, $4 force, $5 new time to live in ms. No row: unknown. */
export const replayStatement: Statement<ReplayRow> = {
  name: 'replay',
  text: `
WITH l AS (
  SELECT n.id, p.max_retries, now() + $5::float8 * interval '1 ms' AS ends
  FROM notifications n JOIN payloads p ON p.id = n.id
  WHERE n.id = $2::uuid AND n.tenant = $1 AND n.generation = $3::int AND n.status = 'FAILED'
    AND ($4::bool OR NOT n.outcome_unknown) FOR UPDATE OF n),
u AS (
  UPDATE notifications n SET status = 'QUEUED', generation = n.generation + 1, lease_token = n.lease_token + 1,
    max_attempts = n.attempt_count + l.max_retries, publish_count = 0, outcome_unknown = false, reason = NULL,
    provider_message_id = NULL, expires_at = l.ends, due_at = LEAST(now() + interval '${lookAgainMs} ms', l.ends),
    ready_at = now(),
    updated_at = now()
  FROM l WHERE n.id = l.id
  RETURNING n.channel, n.priority, n.lease_token, n.status, n.generation, n.outcome_unknown)
SELECT true AS replayed, channel, priority, lease_token AS "leaseToken", status, generation,
       outcome_unknown AS "outcomeUnknown" FROM u
UNION ALL
SELECT false, channel, priority, lease_token, status, generation, outcome_unknown
FROM notifications WHERE id = $2::uuid AND tenant = $1 AND NOT EXISTS (SELECT 1 FROM u)`,
}
