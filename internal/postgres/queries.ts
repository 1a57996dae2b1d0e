import { type Expression, expressionBuilder, type SqlBool, sql } from 'kysely'
import type { NotificationId } from '../domain/notification.ts'
import type { KeysetPosition, ListPage, NotificationFilter } from '../port/notification-store.ts'
import { arrayLiteral } from './params.ts'
import { builder, type Tables } from './tables.ts'

interface Joined {
  n: Tables['notifications']
  p: Tables['payloads']
}
type Lead = 'n' | 'p'

const eb = expressionBuilder<Joined, Lead>()

function joined() {
  return builder.selectFrom('notifications as n').innerJoin('payloads as p', 'p.id', 'n.id')
}

/**
 * Filters on what never changes start from `payloads` (its recipient index holds the list's order too), all others from
 * `notifications`. Tenant, time and order are asked of that side, so that one index answers them together.
 */
function leadOf(filter: NotificationFilter): Lead {
  const { batchId, correlationId, recipient, tag } = filter
  return [batchId, correlationId, recipient, tag].some((one) => one !== undefined) ? 'p' : 'n'
}

function matches(tenant: string, filter: NotificationFilter): Expression<SqlBool> {
  const lead = leadOf(filter)
  const { status, channel, from, to, batchId, correlationId, recipient, tag } = filter
  return eb.and([
    eb(`${lead}.tenant`, '=', tenant),
    ...(status === undefined ? [] : [eb('n.status', '=', status), ...impliedBy(status)]),
    ...(channel === undefined ? [] : [eb('n.channel', '=', channel)]),
    ...(from === undefined ? [] : [eb(`${lead}.created_at`, '>=', from)]),
    ...(to === undefined ? [] : [eb(`${lead}.created_at`, '<=', to)]),
    ...(batchId === undefined ? [] : [eb('p.batch_id', '=', batchId)]),
    ...(correlationId === undefined ? [] : [eb('p.correlation_id', '=', correlationId)]),
    ...(recipient === undefined ? [] : [eb('p.recipient', '=', recipient)]),
    ...(tag === undefined
      ? []
      : [sql<SqlBool>`p.tags @> ${arrayLiteral([tag])}::text[]`, sql<SqlBool>`p.tags <> '{}'::text[]`]),
  ])
}

/** What a status says anyway, in the words of the partial indexes. */
function impliedBy(status: Tables['notifications']['status']) {
  if (status === 'FAILED') return [eb('n.reason', 'is not', null)]
  return status === 'SENT' || status === 'CANCELED' ? [] : [eb('n.due_at', 'is not', null)]
}

/** The resource; the last failing attempt says what went wrong. */
function resources() {
  return joined()
    .leftJoinLateral(
      (outer) =>
        outer
          .selectFrom('attempts as a')
          .select(['a.error_code', 'a.error_message'])
          .whereRef('a.notification_id', '=', 'n.id')
          .where('a.error_code', 'is not', null)
          .where('n.attempt_count', '>', 0)
          .where('n.status', '<>', 'SENT')
          .orderBy('a.number', 'desc')
          .limit(1)
          .as('e'),
      (join) => join.onTrue(),
    )
    .select([
      'n.id',
      'n.channel',
      'n.priority',
      'n.status',
      'n.reason',
      'n.generation',
      'n.attempt_count as attemptCount',
      'n.outcome_unknown as outcomeUnknown',
      'n.next_retry_at as nextRetryAt',
      'n.expires_at as expiresAt',
      'n.provider_message_id as providerMessageId',
      'n.created_at as createdAt',
      'n.updated_at as updatedAt',
      'p.batch_id as batchId',
      'p.correlation_id as correlationId',
      'p.idempotency_key as idempotencyKey',
      'p.recipient',
      'p.content',
      'p.title',
      'p.html',
      'p.data',
      'p.provider',
      'p.metadata',
      'p.scheduled_at as scheduledAt',
      'p.max_retries as maxRetries',
      'e.error_code as errorCode',
      'e.error_message as errorMessage',
      sql<string[]>`to_json(p.tags)`.as('tags'), // the driver is not taught array types
    ])
}

export function byIds(tenant: string, ids: readonly NotificationId[]) {
  return resources()
    .where('n.tenant', '=', tenant)
    .where(sql<SqlBool>`n.id = any(${arrayLiteral(ids)}::uuid[])`)
    .compile()
}

/** A `before` page comes oldest first: the caller turns it round. */
export function page(tenant: string, filter: NotificationFilter, wanted: ListPage) {
  const lead = leadOf(filter)
  const position = wanted.kind === 'keyset' ? wanted.position : null
  const direction = position?.direction === 'before' ? 'asc' : 'desc'
  let query = resources().where(matches(tenant, filter))
  if (position !== null) query = query.where(beyond(lead, position))
  query = query.orderBy(`${lead}.created_at`, direction).orderBy(`${lead}.id`, direction).limit(wanted.limit)
  return (wanted.kind === 'offset' ? query.offset(wanted.offset) : query).compile()
}

function beyond(lead: Lead, { direction, createdAt, id }: KeysetPosition) {
  const place = sql`(${sql.ref(`${lead}.created_at`)}, ${sql.ref(`${lead}.id`)})`
  const bound = sql`(${createdAt}::timestamptz, ${id}::uuid)`
  return direction === 'after' ? sql<SqlBool>`${place} < ${bound}` : sql<SqlBool>`${place} > ${bound}`
}

export function counted(tenant: string, filter: NotificationFilter) {
  return matching(tenant, filter).select(sql<number>`count(*)::float8`.as('count')).compile()
}

/** The rows themselves are not wanted, only what the planner thinks of them. */
export function planned(tenant: string, filter: NotificationFilter) {
  return matching(tenant, filter).select(sql<number>`1`.as('one')).compile()
}

/** The planner drops the outer join where no filter asks for the payload, and makes it an inner one where some does. */
function matching(tenant: string, filter: NotificationFilter) {
  return builder
    .selectFrom('notifications as n')
    .leftJoin('payloads as p', 'p.id', 'n.id')
    .where(matches(tenant, filter))
}

/** One row with nulls for a notification without attempts, no row for an unknown one. */
export function attemptsOf(tenant: string, id: NotificationId) {
  return builder
    .selectFrom('notifications as n')
    .leftJoin('attempts as a', 'a.notification_id', 'n.id')
    .select([
      'a.number',
      'a.generation',
      'a.provider',
      'a.connection',
      'a.connector',
      'a.rule',
      'a.outcome',
      'a.late',
      'a.status_code as statusCode',
      'a.error_code as errorCode',
      'a.error_message as errorMessage',
      'a.response_excerpt as responseExcerpt',
      'a.duration_ms as durationMs',
      'a.finished_at as finishedAt',
      'a.next_retry_at as nextRetryAt',
    ])
    .where('n.tenant', '=', tenant)
    .where('n.id', '=', id)
    .orderBy('a.number')
    .compile()
}

export function batchCounts(tenant: string, batchId: string) {
  return joined()
    .select(['n.status', sql<number>`count(*)::int`.as('count')])
    .where('p.tenant', '=', tenant)
    .where('p.batch_id', '=', batchId)
    .groupBy('n.status')
    .orderBy('n.status')
    .compile()
}
