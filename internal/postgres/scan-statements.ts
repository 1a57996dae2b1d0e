import type { Channel, NotificationId } from '../domain/notification.ts'
import { lookAgainMs } from '../domain/protocol.ts'
import type { ReleaseCause } from '../port/notification-store.ts'
import type { Statement } from './pool.ts'
import type { LaneRow } from './rows.ts'

/**
 * The scan's statements. Every replica runs them; SKIP LOCKED shares the work out, so there is no leader. All lean on
 * the partial indexes over unfinished rows. `= ANY(ARRAY(SELECT …))` where a LIMIT is a parameter: joined instead,
 * the planner believes in a tenth of the table and updates it by a scan (285 ms instead of 1 ms).
 */

export interface CountRow extends LaneRow {
  readonly count: number
}

/** $1 channels, $2 priorities, $3 most to count per lane. */
export const countDueStatement: Statement<CountRow> = {
  name: 'count_due',
  text: `
SELECT l.channel, l.priority, x.count FROM unnest($1::text[], $2::smallint[]) AS l(channel, priority)
CROSS JOIN LATERAL (
  SELECT count(*)::int AS count FROM (
    SELECT 1 FROM notifications n
    WHERE n.channel = l.channel AND n.priority = l.priority AND n.due_at <= now() AND n.status IN ('ACCEPTED', 'QUEUED')
      AND n.expires_at > now()
    LIMIT $3::int) AS due) AS x
WHERE x.count > 0`,
}

export interface ReleasedDbRow {
  readonly id: NotificationId
  readonly channel: Channel
  readonly priority: number
  readonly leaseToken: number
  readonly cause: ReleaseCause
}

/**
 * $1 channels, $2 priorities, $3 rows per lane. A row is looked at again after 30 s × 2^n, at most 10 min, n counting
 * the releases since its last claim: the first release of a waiting retry is its retry, what comes after it repairs a
 * lost publish.
 */
export const releaseDueStatement: Statement<ReleasedDbRow> = {
  name: 'release_due',
  text: `
WITH lanes AS (
  SELECT * FROM unnest($1::text[], $2::smallint[], $3::int[]) WITH ORDINALITY AS l(channel, priority, lim, ord)),
s AS MATERIALIZED (
  SELECT lanes.ord, x.* FROM lanes CROSS JOIN LATERAL (
    SELECT n.id, n.due_at AS was_due,
      CASE WHEN n.status = 'ACCEPTED' THEN 'schedule'
           WHEN n.next_retry_at IS NOT NULL AND n.publish_count = 0 THEN 'retry' ELSE 'lost' END AS cause
    FROM notifications n
    WHERE n.channel = lanes.channel AND n.priority = lanes.priority AND n.due_at <= now()
      AND n.status IN ('ACCEPTED', 'QUEUED') AND n.expires_at > now()
    ORDER BY n.due_at LIMIT lanes.lim FOR UPDATE OF n SKIP LOCKED) AS x),
u AS (
  UPDATE notifications n SET status = 'QUEUED',
    due_at = LEAST(now() + LEAST(${lookAgainMs} * 2 ^ LEAST(n.publish_count, 6), 600000) * interval '1 ms', n.expires_at),
    publish_count = LEAST(n.publish_count + 1, 100), updated_at = now()
  WHERE n.id = ANY(ARRAY(SELECT id FROM s))
  RETURNING n.id, n.channel, n.priority, n.lease_token)
SELECT u.id, u.channel, u.priority, u.lease_token AS "leaseToken", s.cause
FROM u JOIN s ON s.id = u.id ORDER BY s.ord, s.was_due`,
}

/**
 * $1 channels, $2 priorities, $3 most rows per lane. Apart from the release, because ending a row takes no permit: a
 * heap of expired rows must not hold up the living ones behind it.
 */
export const expireDueStatement: Statement<LaneRow> = {
  name: 'expire_due',
  text: `
WITH s AS MATERIALIZED (
  SELECT x.id FROM unnest($1::text[], $2::smallint[]) AS l(channel, priority) CROSS JOIN LATERAL (
    SELECT n.id FROM notifications n
    WHERE n.channel = l.channel AND n.priority = l.priority AND n.expires_at <= now() AND n.due_at IS NOT NULL
      AND n.status IN ('ACCEPTED', 'QUEUED')
    ORDER BY n.expires_at LIMIT $3::int FOR UPDATE OF n SKIP LOCKED) AS x)
UPDATE notifications n SET status = 'FAILED', reason = 'expired', due_at = NULL, next_retry_at = NULL, updated_at = now()
WHERE n.id = ANY(ARRAY(SELECT id FROM s)) RETURNING n.channel, n.priority`,
}

/** $1 most rows. Retries keep their time; one whose time has come was released, and its message is lost as all others. */
export const expediteStatement: Statement<{ readonly id: NotificationId }> = {
  name: 'expedite',
  text: `
UPDATE notifications n SET due_at = now(), publish_count = 0, updated_at = now()
WHERE n.id = ANY(ARRAY(
  SELECT n.id FROM notifications n WHERE n.due_at > now() AND n.status = 'QUEUED'
    AND (n.next_retry_at IS NULL OR n.next_retry_at <= now())
  LIMIT $1::int FOR UPDATE SKIP LOCKED))
RETURNING n.id`,
}

export interface NextDueRow {
  readonly dueInMs: number | null
}

/** $1 channels, $2 priorities. Rows in SENDING do not count: their due time may be past while the lease runs. */
export const nextDueStatement: Statement<NextDueRow> = {
  name: 'next_due',
  text: `
SELECT (extract(epoch FROM min(x.due_at) - now()) * 1000)::float8 AS "dueInMs"
FROM unnest($1::text[], $2::smallint[]) AS l(channel, priority)
CROSS JOIN LATERAL (
  SELECT n.due_at FROM notifications n
  WHERE n.channel = l.channel AND n.priority = l.priority AND n.due_at IS NOT NULL AND n.status <> 'SENDING'
    AND n.expires_at > now()
  ORDER BY n.due_at LIMIT 1) AS x`,
}
