import type { Channel, FailureReason, NotificationId, Status } from '../domain/notification.ts'
import type { Statement } from './pool.ts'

/**
 * How abandoned attempts are found without a search among all that is overdue: whatever makes rows SENDING writes down
 * their ids in `claims`, by the same statement. When the lease ends, each id is looked at once: what is SENDING still goes
 * to `orphans`, from where the sweep ends it, the record goes. Rows of both tables are inserted and deleted, never changed.
 *
 * Nothing is forgotten: a row is not dropped here unless the statement's snapshot shows that its lease is no ended one,
 * and a claim that comes later, seen or not, writes a record of its own.
 */

/** A part of the statement that claims: `rows` has the ids, `leaseMs` is the same expression as in their `lease_until`. */
export const recordClaim = (rows: string, leaseMs: string) => `
  INSERT INTO claims (ends_at, ids)
  SELECT now() + ${leaseMs}::float8 * interval '1 ms', array_agg(id) FROM ${rows} HAVING count(*) > 0`

export interface EndedClaimsRow {
  /** Records that are gone now. */
  readonly claims: number
  readonly orphans: number
}

/**
 * $1 most records. No row of `notifications` is locked: whoever settles one meanwhile is met again by the sweep, under the
 * token. A notification stands in two records when the accept that stored it was repeated, hence DISTINCT.
 */
export const endClaimsStatement: Statement<EndedClaimsRow> = {
  name: 'end_claims',
  text: `
WITH c AS MATERIALIZED (
  SELECT ctid AS place, ids FROM claims WHERE ends_at <= now() ORDER BY ends_at, id
  LIMIT $1::int FOR UPDATE SKIP LOCKED),
o AS (
  INSERT INTO orphans (id, lease_token)
  SELECT DISTINCT n.id, n.lease_token FROM c CROSS JOIN LATERAL unnest(c.ids) AS i(id) CROSS JOIN LATERAL (
    SELECT n.id, n.lease_token FROM notifications n
    WHERE n.id = i.id AND n.status = 'SENDING' AND n.lease_until <= now() LIMIT 1) AS n
  ORDER BY n.id, n.lease_token
  ON CONFLICT DO NOTHING RETURNING 1),
d AS (
  DELETE FROM claims WHERE ctid = ANY(ARRAY(SELECT place FROM c)) RETURNING 1)
SELECT (SELECT count(*) FROM d)::int AS claims, (SELECT count(*) FROM o)::int AS orphans`,
}

/** Null but for the id: ended by somebody else meanwhile. */
export interface OrphanRow {
  readonly id: NotificationId
  readonly channel: Channel | null
  readonly priority: number | null
  readonly status: Status | null
  readonly reason: FailureReason | null
}

/**
 * $1 most rows, $2 back-off in ms. The worker vanished: whether its send arrived is unknown. A row that somebody holds at
 * this moment is waited for, in id order as a settle locks: whether it ends is known only then, and its record goes either way.
 */
export const sweepOrphansStatement: Statement<OrphanRow> = {
  name: 'sweep_orphans',
  text: `
WITH o AS MATERIALIZED (
  SELECT ctid AS place, id, lease_token FROM orphans ORDER BY id, lease_token LIMIT $1::int FOR UPDATE SKIP LOCKED),
s AS MATERIALIZED (
  SELECT x.id FROM o CROSS JOIN LATERAL (
    SELECT n.id FROM notifications n
    WHERE n.id = o.id AND n.lease_token = o.lease_token AND n.status = 'SENDING' FOR UPDATE) AS x),
u AS (
  UPDATE notifications n SET lease_token = n.lease_token + 1, lease_until = NULL, lease_owner = NULL,
    outcome_unknown = true, updated_at = now(),
    status = CASE WHEN n.attempt_count >= n.max_attempts OR n.expires_at <= now() THEN 'FAILED' ELSE 'QUEUED' END,
    reason = CASE WHEN n.attempt_count >= n.max_attempts THEN 'retry_exhausted' WHEN n.expires_at <= now() THEN 'expired' END,
    due_at = CASE WHEN n.attempt_count < n.max_attempts AND n.expires_at > now()
      THEN LEAST(now() + $2::float8 * interval '1 ms', n.expires_at) END,
    next_retry_at = CASE WHEN n.attempt_count < n.max_attempts AND n.expires_at > now()
      THEN LEAST(now() + $2::float8 * interval '1 ms', n.expires_at) END,
    ready_at = now() + $2::float8 * interval '1 ms'
  WHERE n.id = ANY(ARRAY(SELECT id FROM s))
  RETURNING n.id, n.channel, n.priority, n.attempt_count, n.generation, n.status, n.reason, n.next_retry_at),
a AS (
  INSERT INTO attempts (notification_id, number, generation, outcome, error_code, error_message, next_retry_at, finished_at)
  SELECT id, attempt_count, generation, 'abandoned', 'lease_lost',
         'The worker vanished before it could say how the attempt ended.', next_retry_at, now() FROM u
  ON CONFLICT (notification_id, number) DO NOTHING),
d AS (
  DELETE FROM orphans WHERE ctid = ANY(ARRAY(SELECT place FROM o)))
SELECT o.id, u.channel, u.priority, u.status, u.reason FROM o LEFT JOIN u ON u.id = o.id`,
}
