import type { CompiledQuery, InferResult } from 'kysely'
import type { Attempt } from '../domain/attempt.ts'
import type { StatusCount } from '../domain/batch.ts'
import type { FailureReason, Notification, NotificationId } from '../domain/notification.ts'
import type { ListPage, NotificationFilter } from '../port/notification-store.ts'
import { isUuid } from './params.ts'
import type { PostgresPool } from './pool.ts'
import { attemptsOf, batchCounts, byIds, counted, page, planned } from './queries.ts'
import { toPriority } from './rows.ts'

type ResourceRow = InferResult<ReturnType<typeof byIds>>[number]
type AttemptRow = InferResult<ReturnType<typeof attemptsOf>>[number]

interface PlanRow {
  readonly 'QUERY PLAN': readonly { readonly Plan: { readonly 'Plan Rows': number } }[]
}

/** In the order asked for; unknown and malformed ids are left out. */
export async function findByIds(
  pool: PostgresPool,
  tenant: string,
  ids: readonly NotificationId[],
): Promise<readonly Notification[]> {
  const wanted = ids.filter(isUuid)
  if (wanted.length === 0) return []
  const rows = await pool.runCompiled('find_by_ids', byIds(tenant, wanted))
  const found = new Map(rows.map((row) => [row.id, toNotification(row)]))
  return wanted.flatMap((id) => found.get(id.toLowerCase()) ?? [])
}

export async function list(
  pool: PostgresPool,
  tenant: string,
  filter: NotificationFilter,
  wanted: ListPage,
): Promise<readonly Notification[]> {
  if (matchesNothing(filter)) return []
  const rows = await pool.runCompiled('list', page(tenant, filter, wanted))
  const notifications = rows.map(toNotification)
  const oldestFirst = wanted.kind === 'keyset' && wanted.position?.direction === 'before'
  return oldestFirst ? notifications.toReversed() : notifications
}

export async function count(pool: PostgresPool, tenant: string, filter: NotificationFilter): Promise<number> {
  if (matchesNothing(filter)) return 0
  const [row] = await pool.runCompiled('count', counted(tenant, filter))
  return row?.count ?? 0
}

export async function estimateCount(pool: PostgresPool, tenant: string, filter: NotificationFilter): Promise<number> {
  if (matchesNothing(filter)) return 0
  const query = planned(tenant, filter)
  const explain: CompiledQuery<PlanRow> = { ...query, sql: `EXPLAIN (FORMAT JSON) ${query.sql}` }
  const [row] = await pool.runCompiled('estimate_count', explain)
  return row?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0
}

export async function findAttempts(
  pool: PostgresPool,
  tenant: string,
  id: NotificationId,
): Promise<readonly Attempt[] | null> {
  if (!isUuid(id)) return null
  const rows = await pool.runCompiled('find_attempts', attemptsOf(tenant, id))
  return rows.length === 0 ? null : rows.flatMap((row) => toAttempt(row) ?? [])
}

export async function countBatch(pool: PostgresPool, tenant: string, batchId: string): Promise<readonly StatusCount[]> {
  return isUuid(batchId) ? await pool.runCompiled('count_batch', batchCounts(tenant, batchId)) : []
}

/** A batch id that is no id matches no row; PostgreSQL would refuse the statement instead. */
function matchesNothing({ batchId }: NotificationFilter): boolean {
  return batchId !== undefined && !isUuid(batchId)
}

function toNotification(row: ResourceRow): Notification {
  const { errorCode, errorMessage, reason, priority, ...same } = row
  return { ...same, priority: toPriority(priority), lastError: toLastError(errorCode, errorMessage, reason) }
}

const reasonTexts = {
  permanent_error: 'The provider refused it for good.',
  retry_exhausted: 'Every attempt of its budget failed.',
  expired: 'Its time to live ended before it was sent.',
  parked: 'It may have arrived, and the target cannot drop a repeat.',
} as const satisfies Record<FailureReason, string>

function toLastError(code: string | null, message: string | null, reason: FailureReason | null) {
  if (code !== null) return { code, message: message ?? '' }
  return reason === null ? null : { code: reason, message: reasonTexts[reason] }
}

function toAttempt(row: AttemptRow): Attempt | null {
  const { number, generation, outcome, late, finishedAt, durationMs, errorCode, errorMessage, ...same } = row
  if (number === null || generation === null || outcome === null || late === null || finishedAt === null) return null
  return {
    ...same,
    number,
    generation,
    outcome,
    late,
    finishedAt,
    durationMs,
    error: errorCode === null ? null : { code: errorCode, message: errorMessage ?? '' },
    startedAt: durationMs === null ? null : new Date(finishedAt.getTime() - durationMs),
  }
}
