import type { Attempt } from '../domain/attempt.ts'
import { type BatchStatus, batchStatus, type StatusCount } from '../domain/batch.ts'
import { NotFoundError } from '../domain/errors.ts'
import type { Notification, NotificationId } from '../domain/notification.ts'
import type { KeysetPosition, NotificationFilter, NotificationStore } from '../port/notification-store.ts'

export interface OffsetQuery {
  readonly page: number
  readonly pageSize: number
  readonly total: 'exact' | 'estimate' | 'none'
}

export interface KeysetQuery {
  readonly position: KeysetPosition | null
  readonly limit: number
}

export interface KeysetResult {
  /** Newest first. */
  readonly rows: readonly Notification[]
  /** Whether older rows follow, and whether newer ones stand before. */
  readonly hasOlder: boolean
  readonly hasNewer: boolean
}

export interface BatchView {
  readonly batchId: string
  readonly totalCount: number
  readonly status: BatchStatus
  readonly counts: readonly StatusCount[]
}

export interface Queries {
  /** @throws NotFoundError */
  getById(tenant: string, id: NotificationId): Promise<Notification>
  /** @throws NotFoundError */
  findAttempts(tenant: string, id: NotificationId): Promise<readonly Attempt[]>
  /** `total` is null when it was not asked for. */
  listByOffset(
    tenant: string,
    filter: NotificationFilter,
    query: OffsetQuery,
  ): Promise<{ readonly rows: readonly Notification[]; readonly total: number | null }>
  listByKeyset(tenant: string, filter: NotificationFilter, query: KeysetQuery): Promise<KeysetResult>
  /** @throws NotFoundError */
  getBatch(tenant: string, batchId: string): Promise<BatchView>
}

export type QueryStore = Pick<
  NotificationStore,
  'lookUpById' | 'findAttempts' | 'list' | 'count' | 'estimateCount' | 'countBatch'
>

export function makeQueries(store: QueryStore): Queries {
  return {
    async getById(tenant, id) {
      const row = await store.lookUpById(tenant, id)
      if (row === null) throw new NotFoundError(`no notification ${id}`)
      return row
    },
    async findAttempts(tenant, id) {
      const attempts = await store.findAttempts(tenant, id)
      if (attempts === null) throw new NotFoundError(`no notification ${id}`)
      return attempts
    },
    async listByOffset(tenant, filter, { page, pageSize, total }) {
      const [rows, count] = await Promise.all([
        store.list(tenant, filter, { kind: 'offset', offset: (page - 1) * pageSize, limit: pageSize }),
        countRows(store, tenant, filter, total),
      ])
      return { rows, total: count }
    },
    listByKeyset: (tenant, filter, query) => listByKeyset(store, tenant, filter, query),
    async getBatch(tenant, batchId) {
      const counts = await store.countBatch(tenant, batchId)
      if (counts.length === 0) throw new NotFoundError(`no batch ${batchId}`)
      const totalCount = counts.reduce((sum, one) => sum + one.count, 0)
      return { batchId, totalCount, status: batchStatus(counts), counts }
    },
  }
}

async function countRows(
  store: QueryStore,
  tenant: string,
  filter: NotificationFilter,
  total: OffsetQuery['total'],
): Promise<number | null> {
  if (total === 'none') return null
  return total === 'exact' ? store.count(tenant, filter) : store.estimateCount(tenant, filter)
}

/** Asks for one row more than shown: it tells whether the list goes on in the direction of reading. */
async function listByKeyset(
  store: QueryStore,
  tenant: string,
  filter: NotificationFilter,
  { position, limit }: KeysetQuery,
): Promise<KeysetResult> {
  const rows = await store.list(tenant, filter, { kind: 'keyset', position, limit: limit + 1 })
  const more = rows.length > limit
  if (position?.direction === 'before') {
    // The extra row is the newest one; the rows of the page are those nearest to the position.
    return { rows: more ? rows.slice(1) : rows, hasOlder: true, hasNewer: more }
  }
  return { rows: rows.slice(0, limit), hasOlder: more, hasNewer: position !== null }
}
