import type { Attempt } from '../domain/attempt.ts'
import type { StatusCount } from '../domain/batch.ts'
import type { Lane, NewNotification, Notification, NotificationId } from '../domain/notification.ts'
import type { Reference } from '../port/broker.ts'
import type {
  AcceptResult,
  CancelResult,
  Claimed,
  DeferredReference,
  HeadStart,
  LaneCount,
  Lease,
  ListPage,
  NotificationFilter,
  NotificationStore,
  Orphan,
  ReleasedRow,
  ReplayRequest,
  ReplayResult,
  Settled,
  Settlement,
  UnbegunClaim,
} from '../port/notification-store.ts'
import { type AcceptSettings, accept } from './accept.ts'
import { cancel, replay } from './control.ts'
import type { PostgresPool, StorePools } from './pool.ts'
import { count, countBatch, estimateCount, findAttempts, findByIds, list } from './reads.ts'
import { countDue, expireDue, nextDueInMs, releaseDue } from './scan.ts'
import { sweepOrphans } from './sweep.ts'
import { claim, defer, lateSuccess, release, settle } from './work.ts'

export type NotificationStoreSettings = AcceptSettings

/** The truth in PostgreSQL 15 and newer. Each verb lives, with its SQL, in the file named after its step. */
export class PostgresNotificationStore implements NotificationStore {
  readonly #work: PostgresPool
  readonly #pool: PostgresPool
  readonly #settings: NotificationStoreSettings

  constructor({ work, rest }: StorePools, settings: NotificationStoreSettings) {
    this.#work = work
    this.#pool = rest
    this.#settings = settings
  }

  accept(
    requests: readonly (readonly NewNotification[])[],
    headStart: HeadStart | null = null,
  ): Promise<readonly AcceptResult[]> {
    return accept({ work: this.#work, rest: this.#pool }, requests, this.#settings, headStart)
  }

  claim(refs: readonly Reference[], lease: Lease): Promise<readonly Claimed[]> {
    return claim(this.#work, refs, lease)
  }

  settle(settlements: readonly Settlement[]): Promise<readonly Settled[]> {
    return settle(this.#work, settlements)
  }

  lateSuccess(settlements: readonly Settlement[]): Promise<readonly NotificationId[]> {
    return lateSuccess(this.#pool, settlements)
  }

  countDue(lanes: readonly Lane[], limit: number): Promise<readonly LaneCount[]> {
    return countDue(this.#pool, lanes, limit)
  }

  releaseDue(counts: readonly LaneCount[]): Promise<readonly ReleasedRow[]> {
    return releaseDue(this.#pool, counts)
  }

  expireDue(lanes: readonly Lane[], limit: number): Promise<readonly Lane[]> {
    return expireDue(this.#pool, lanes, limit)
  }

  sweepOrphans(limit: number, backoffMs: number): Promise<readonly Orphan[]> {
    return sweepOrphans(this.#pool, limit, backoffMs)
  }

  nextDueInMs(lanes: readonly Lane[]): Promise<number | null> {
    return nextDueInMs(this.#pool, lanes)
  }

  defer(refs: readonly DeferredReference[]): Promise<readonly NotificationId[]> {
    return defer(this.#pool, refs)
  }

  release(claims: readonly UnbegunClaim[]): Promise<readonly NotificationId[]> {
    return release(this.#pool, claims)
  }

  cancel(tenant: string, id: NotificationId): Promise<CancelResult> {
    return cancel(this.#pool, tenant, id)
  }

  replay(request: ReplayRequest): Promise<ReplayResult> {
    return replay(this.#pool, request, this.#settings.notificationTtlMs)
  }

  async lookUpById(tenant: string, id: NotificationId): Promise<Notification | null> {
    const [found] = await findByIds(this.#pool, tenant, [id])
    return found ?? null
  }

  findByIds(tenant: string, ids: readonly NotificationId[]): Promise<readonly Notification[]> {
    return findByIds(this.#pool, tenant, ids)
  }

  list(tenant: string, filter: NotificationFilter, page: ListPage): Promise<readonly Notification[]> {
    return list(this.#pool, tenant, filter, page)
  }

  count(tenant: string, filter: NotificationFilter): Promise<number> {
    return count(this.#pool, tenant, filter)
  }

  estimateCount(tenant: string, filter: NotificationFilter): Promise<number> {
    return estimateCount(this.#pool, tenant, filter)
  }

  findAttempts(tenant: string, id: NotificationId): Promise<readonly Attempt[] | null> {
    return findAttempts(this.#pool, tenant, id)
  }

  countBatch(tenant: string, batchId: string): Promise<readonly StatusCount[]> {
    return countBatch(this.#pool, tenant, batchId)
  }
}
