import type { NotificationId } from '../domain/notification.ts'
import type { CancelResult, ReplayRequest, ReplayResult } from '../port/notification-store.ts'
import { cancelStatement, type ReplayRow, replayStatement } from './control-statements.ts'
import { isUuid } from './params.ts'
import type { PostgresPool } from './pool.ts'
import { toLane } from './rows.ts'

/**
 * When the guarded update loses a race, the other half of the statement still shows the row as it was before; then the
 * answer would contradict itself, and the statement is asked again.
 */
const staleTriesMax = 5

export async function cancel(pool: PostgresPool, tenant: string, id: NotificationId): Promise<CancelResult> {
  if (!isUuid(id)) return { kind: 'not_found' }
  for (let tryNumber = 1; ; tryNumber++) {
    const [row] = await pool.run(cancelStatement, [tenant, id])
    if (row === undefined) return { kind: 'not_found' }
    if (row.canceled) return { kind: 'canceled' }
    const stale = row.status === 'ACCEPTED' || row.status === 'QUEUED'
    if (!stale || tryNumber >= staleTriesMax) return { kind: 'conflict', status: row.status }
  }
}

export async function replay(pool: PostgresPool, request: ReplayRequest, ttlMs: number): Promise<ReplayResult> {
  const { tenant, id, generation, force } = request
  if (!isUuid(id)) return { kind: 'not_found' }
  for (let tryNumber = 1; ; tryNumber++) {
    const [row] = await pool.run(replayStatement, [tenant, id, generation, force, ttlMs])
    if (row === undefined) return { kind: 'not_found' }
    if (row.replayed) return { kind: 'replayed', reference: { id, leaseToken: row.leaseToken }, lane: toLane(row) }
    if (!couldBeReplayed(row, request) || tryNumber >= staleTriesMax) {
      return { kind: 'conflict', status: row.status, outcomeUnknown: row.outcomeUnknown }
    }
  }
}

function couldBeReplayed(row: ReplayRow, { generation, force }: ReplayRequest): boolean {
  return row.status === 'FAILED' && row.generation === generation && (force || !row.outcomeUnknown)
}
