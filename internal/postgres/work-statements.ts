import type { AttemptOutcome } from '../domain/attempt.ts'
import type { FailureReason, NotificationId, Status } from '../domain/notification.ts'
import type { Claimed } from '../port/notification-store.ts'
import { recordClaim } from './claim-record-statements.ts'
import type { Statement } from './pool.ts'

/**
 * The worker's statements: claim, settle, late success, defer, release. Each is one statement over arrays. Rows are
 * locked first, in id order or with SKIP LOCKED: a plain update of an array in another order than a neighbour's would
 * deadlock. The lease token is the fence; what a stale copy or a late worker names simply does not match.
 */

/** As the claim answers: what most rows do not have is null here, which costs neither side anything. */
export type ClaimRow = Omit<Claimed, 'priority' | 'tags' | 'tried' | 'unknownOver' | 'dueForMs' | 'waitedMs'> & {
  readonly priority: number
  readonly tags: readonly string[] | null
  readonly tried: readonly string[] | null
  readonly unknownOver: readonly (string | null)[] | null
  /** Milliseconds since it was first due. */
  readonly sinceDueMs: number
}

/** What a claim answers for each row `c` that it won. */
const claimedFrom = (rows: string) => `
SELECT c.id, c.tenant, c.channel, c.priority, c.generation, c.attempt_count AS attempt, c.max_attempts AS "maxAttempts",
  c.lease_token AS "leaseToken", c.created_at AS "createdAt", p.correlation_id AS "correlationId", p.recipient, p.content,
  p.title, p.html, p.data, p.metadata, CASE WHEN p.tags <> '{}' THEN to_json(p.tags) END AS tags, p.provider, p.traceparent,
  p.max_retries AS "maxRetries",
  CASE WHEN c.attempt_count > 1 THEN (
    SELECT json_agg(a.connection ORDER BY a.number) FROM attempts a
    WHERE a.notification_id = c.id AND a.generation = c.generation AND a.connection IS NOT NULL) END AS tried,
  CASE WHEN c.outcome_unknown THEN (
    SELECT json_agg(a.connection ORDER BY a.number) FROM attempts a
    WHERE a.notification_id = c.id AND a.generation = c.generation AND a.outcome IN ('unknown', 'abandoned'))
    END AS "unknownOver",
  c.outcome_unknown AND EXISTS (
    SELECT FROM attempts a WHERE a.notification_id = c.id AND a.generation = c.generation AND a.outcome = 'unknown'
      AND a.connection IS NULL) AS "openOverPlain",
  GREATEST(0, extract(epoch FROM now() - GREATEST(c.created_at, p.scheduled_at)) * 1000)::float8 AS "sinceDueMs"
FROM ${rows} c CROSS JOIN LATERAL (SELECT * FROM payloads p WHERE p.id = c.id LIMIT 1) p`

const claimedColumns = `n.id, n.tenant, n.channel, n.priority, n.generation, n.attempt_count, n.max_attempts,
    n.lease_token, n.created_at, n.outcome_unknown`

/**
 * $1 ids, $2 expected tokens, $3 owner, $4 lease in ms. LEAST keeps the update HOT while due_at is earlier anyway.
 * The owner names this very call, so that {@link claimedBeforeStatement} can tell its rows when the answer was lost. A
 * retry before its time is passed by: no message may bring it forward.
 */
export const claimStatement: Statement<ClaimRow> = {
  name: 'claim',
  vital: true,
  text: `
WITH l AS (
  SELECT x.id FROM unnest($1::uuid[], $2::int[]) AS m(id, expected) CROSS JOIN LATERAL (
    SELECT n.id FROM notifications n
    WHERE n.id = m.id AND n.lease_token = m.expected AND n.status = 'QUEUED' AND n.expires_at > now()
      AND n.attempt_count < n.max_attempts AND (n.next_retry_at IS NULL OR n.next_retry_at <= now())
    FOR UPDATE SKIP LOCKED) AS x),
u AS (
  UPDATE notifications n SET status = 'SENDING', attempt_count = n.attempt_count + 1, lease_token = n.lease_token + 1,
    publish_count = 0, lease_owner = $3, lease_until = now() + $4::float8 * interval '1 ms',
    due_at = LEAST(n.due_at, now() + $4::float8 * interval '1 ms'), next_retry_at = NULL, updated_at = now()
  WHERE n.id = ANY(ARRAY(SELECT id FROM l))
  RETURNING ${claimedColumns}),
c AS (${recordClaim('u', '$4')})${claimedFrom('u')}`,
}

/** $1 ids, $2 expected tokens, $3 owner: what a claim of this owner has won already. */
export const claimedBeforeStatement: Statement<ClaimRow> = {
  name: 'claimed_before',
  vital: true,
  text: `
WITH u AS (
  SELECT x.* FROM unnest($1::uuid[], $2::int[]) AS m(id, expected) CROSS JOIN LATERAL (
    SELECT ${claimedColumns} FROM notifications n
    WHERE n.id = m.id AND n.lease_token = m.expected + 1 AND n.status = 'SENDING' AND n.lease_owner = $3
      AND n.lease_until > now() LIMIT 1) AS x)${claimedFrom('u')}`,
}

export interface SettledRow {
  readonly id: NotificationId
  readonly status: Status
  readonly reason: FailureReason | null
  readonly dueInMs: number | null
}

/** One element of the arrays `settleStatement` takes, in this order. */
export interface SettleItem {
  readonly id: NotificationId
  readonly token: number
  readonly decision: 'sent' | 'retry' | 'failed'
  readonly reason: FailureReason | null
  readonly afterMs: number
  readonly burnsBudget: boolean
  readonly unknown: boolean
  readonly outcome: AttemptOutcome
  readonly provider: string | null
  readonly connection: string | null
  readonly connector: string | null
  readonly rule: string | null
  readonly providerMessageId: string | null
  readonly statusCode: number | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly responseExcerpt: string | null
  readonly durationMs: number
}

/**
 * A retry whose time is over ends as `expired`: the database's clock decides. A rate-limited attempt raises
 * `max_attempts`, so that it burns no budget. An unknown outcome sticks to its generation until a success.
 * What is returned comes from the row's update, not from the attempts insert. A row that is no longer SENDING but still
 * carries the token was ended by this very claim, since every other way out raises the token: the first answer was
 * lost, and the repeat gets it again.
 */
export const settleStatement: Statement<SettledRow> = {
  name: 'settle',
  vital: true,
  text: `
WITH d AS (
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::float8[], $6::bool[], $7::bool[], $8::text[],
                       $9::text[], $10::text[], $11::int[], $12::text[], $13::text[], $14::text[], $15::int[],
                       $16::text[], $17::text[], $18::text[])
    AS d(id, token, decision, reason, after_ms, burns, unknown, outcome, provider, provider_message_id, status_code,
         error_code, error_message, response_excerpt, duration_ms, connection, connector, rule)
  ORDER BY id),
l AS (
  SELECT d.*,
    CASE WHEN d.decision = 'sent' THEN 'SENT'
         WHEN d.decision = 'failed' OR n.expires_at <= now() OR (d.burns AND n.attempt_count >= n.max_attempts) THEN 'FAILED'
         ELSE 'QUEUED' END AS status,
    CASE WHEN d.decision = 'sent' THEN NULL
         WHEN d.decision = 'failed' THEN d.reason
         WHEN n.expires_at <= now() THEN 'expired'
         WHEN d.burns AND n.attempt_count >= n.max_attempts THEN 'retry_exhausted' END AS why,
    LEAST(now() + LEAST(GREATEST(d.after_ms, 0), 86400000) * interval '1 ms', n.expires_at) AS due
  FROM d CROSS JOIN LATERAL (
    SELECT n.id, n.expires_at, n.attempt_count, n.max_attempts FROM notifications n
    WHERE n.id = d.id AND n.lease_token = d.token AND n.status = 'SENDING' FOR UPDATE) AS n),
u AS (
  UPDATE notifications n SET status = l.status, reason = l.why, lease_until = NULL, lease_owner = NULL,
    outcome_unknown = l.status <> 'SENT' AND (n.outcome_unknown OR l.unknown),
    provider_message_id = COALESCE(l.provider_message_id, n.provider_message_id),
    max_attempts = n.max_attempts + CASE WHEN l.status = 'QUEUED' AND NOT l.burns THEN 1 ELSE 0 END,
    due_at = CASE WHEN l.status = 'QUEUED' THEN l.due END,
    next_retry_at = CASE WHEN l.status = 'QUEUED' THEN l.due END,
    ready_at = CASE WHEN l.status = 'QUEUED' THEN l.due ELSE n.ready_at END, updated_at = now()
  FROM l WHERE n.id = l.id AND n.id = ANY(ARRAY(SELECT id FROM l))
  RETURNING n.id, n.attempt_count, n.generation, n.status, n.reason, n.next_retry_at, l.outcome, l.provider,
    l.connection, l.connector, l.rule, l.status_code, l.error_code, l.error_message, l.response_excerpt, l.duration_ms),
a AS (
  INSERT INTO attempts (notification_id, number, generation, outcome, provider, connection, connector, rule, status_code,
                        error_code, error_message, response_excerpt, duration_ms, next_retry_at, finished_at)
  SELECT id, attempt_count, generation, outcome, provider, connection, connector, rule, status_code, error_code, error_message,
         response_excerpt, duration_ms, next_retry_at, now() FROM u
  ON CONFLICT (notification_id, number) DO NOTHING)
SELECT id, status, reason, (extract(epoch FROM next_retry_at - now()) * 1000)::float8 AS "dueInMs" FROM u`,
}

/**
 * $1 ids, $2 tokens, $3 attempts. A row that is no longer SENDING but still carries the token was ended by this very
 * claim, since every other way out raises the token: the first answer was lost, and the repeat gets it again.
 */
export const settledBeforeStatement: Statement<SettledRow> = {
  name: 'settled_before',
  vital: true,
  text: `
SELECT x.id, x.status, x.reason, (extract(epoch FROM x.next_retry_at - now()) * 1000)::float8 AS "dueInMs"
FROM unnest($1::uuid[], $2::int[], $3::int[]) AS d(id, token, attempt) CROSS JOIN LATERAL (
  SELECT n.id, n.status, n.reason, n.next_retry_at FROM notifications n
  WHERE n.id = d.id AND n.lease_token = d.token AND n.status <> 'SENDING' AND n.attempt_count = d.attempt LIMIT 1) AS x`,
}

export interface IdRow {
  readonly id: NotificationId
}

/**
 * A success whose lease was lost: the same attempt of the same generation, which the sweep had left as unknown. $1 ids,
 * $2 own tokens, $3 attempts, $4 generations, $5 provider, $6 message id, $7 status code, $8 excerpt, $9 duration in ms,
 * $10 connection, $11 connector, $12 rule.
 */
export const lateSuccessStatement: Statement<IdRow> = {
  name: 'late_success',
  vital: true,
  text: `
WITH d AS (
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::text[], $6::text[], $7::int[], $8::text[], $9::int[],
                       $10::text[], $11::text[], $12::text[])
    AS d(id, token, attempt, generation, provider, provider_message_id, status_code, response_excerpt, duration_ms,
         connection, connector, rule)),
l AS (
  SELECT d.* FROM notifications n
  JOIN d ON n.id = d.id AND n.lease_token > d.token AND n.attempt_count = d.attempt AND n.generation = d.generation
  WHERE n.status IN ('QUEUED', 'FAILED') AND n.outcome_unknown ORDER BY n.id FOR UPDATE OF n),
u AS (
  UPDATE notifications n SET status = 'SENT', due_at = NULL, next_retry_at = NULL, reason = NULL,
    outcome_unknown = false, provider_message_id = COALESCE(l.provider_message_id, n.provider_message_id),
    updated_at = now()
  FROM l WHERE n.id = l.id
  RETURNING n.id, n.attempt_count, l.provider, l.connection, l.connector, l.rule, l.status_code, l.response_excerpt,
    l.duration_ms),
a AS (
  UPDATE attempts a SET outcome = 'ok', late = true, provider = u.provider, connection = u.connection,
    connector = u.connector, rule = u.rule, status_code = u.status_code,
    error_code = NULL, error_message = NULL, response_excerpt = u.response_excerpt, duration_ms = u.duration_ms,
    next_retry_at = NULL, finished_at = now()
  FROM u WHERE a.notification_id = u.id AND a.number = u.attempt_count)
SELECT id FROM u`,
}

/** $1 ids, $2 expected tokens, $3 delays in ms. A waiting retry stays one, with its new time. */
export const deferStatement: Statement<IdRow> = {
  name: 'defer',
  text: `
WITH m AS (SELECT * FROM unnest($1::uuid[], $2::int[], $3::float8[]) AS m(id, expected, ms)),
l AS (
  SELECT n.id, LEAST(now() + GREATEST(m.ms, 0) * interval '1 ms', n.expires_at) AS due
  FROM notifications n JOIN m ON n.id = m.id AND n.lease_token = m.expected
  WHERE n.status = 'QUEUED' FOR UPDATE OF n SKIP LOCKED)
UPDATE notifications n SET due_at = l.due, next_retry_at = CASE WHEN n.next_retry_at IS NOT NULL THEN l.due END,
  ready_at = l.due, publish_count = 0, lease_token = n.lease_token + 1, updated_at = now()
FROM l WHERE n.id = l.id RETURNING n.id`,
}

/** $1 ids, $2 tokens, $3 delays in ms. The send was not begun, so the attempt is taken back and its number used again. */
export const releaseStatement: Statement<IdRow> = {
  name: 'release',
  vital: true,
  text: `
WITH d AS (SELECT * FROM unnest($1::uuid[], $2::int[], $3::float8[]) AS d(id, token, ms)),
l AS (
  SELECT n.id, LEAST(now() + GREATEST(d.ms, 0) * interval '1 ms', n.expires_at) AS due
  FROM notifications n JOIN d ON n.id = d.id AND n.lease_token = d.token
  WHERE n.status = 'SENDING' ORDER BY n.id FOR UPDATE OF n)
UPDATE notifications n SET status = 'QUEUED', attempt_count = n.attempt_count - 1, lease_token = n.lease_token + 1,
  lease_until = NULL, lease_owner = NULL, due_at = l.due, ready_at = l.due, updated_at = now()
FROM l WHERE n.id = l.id RETURNING n.id`,
}
