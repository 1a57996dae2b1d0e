import { type Lane, type NewNotification, type Notification, type NotificationId } from '../domain/notification.ts'
import { lookAgainMs } from '../domain/protocol.ts'
import { isFinished } from '../domain/status.ts'
import type { Reference } from '../port/broker.ts'
import type {
  AcceptedItem,
  AcceptResult,
  CancelResult,
  Claimed,
  DeferredReference,
  HeadStart,
  LaneCount,
  Lease,
  NotificationStore,
  Orphan,
  ReleasedRow,
  ReplayRequest,
  ReplayResult,
  Settled,
  Settlement,
  UnbegunClaim,
} from '../port/notification-store.ts'
import { aNotification } from './builders.ts'
import type { StoreEvent, Verb } from './model/history.ts'
import { ModelKeys } from './model/keys.ts'
import { brokenConstraint, type ModelRow, newRow } from './model/row.ts'
import * as step from './model/steps.ts'
import { isIn, type Payload, refOf, toClaimed, toNotification } from './model/views.ts'

type ModelledVerbs = Exclude<
  keyof NotificationStore,
  'findAttempts' | 'list' | 'count' | 'estimateCount' | 'countBatch'
>

export interface ModelStoreSettings {
  /** Time to live after the due time; default a day. */
  readonly ttlMs?: number
  /** How long a key is kept; default a day. */
  readonly idempotencyTtlMs?: number
  readonly bugs?: step.Bugs
}

const dayMs = 86_400_000

/**
 * The store in memory, on a clock that a test moves: what every statement does to a row, as the SQL has it (held
 * against PostgreSQL by a test), and a history of every change. Each verb takes effect at once and as a whole; who
 * wants latency, lost answers or late effects puts them around it.
 */
export class ModelStore implements Pick<NotificationStore, ModelledVerbs> {
  readonly rows = new Map<NotificationId, ModelRow>()
  readonly history: StoreEvent[] = []
  readonly #nowMs: () => number
  readonly #ttlMs: number
  readonly #bugs: step.Bugs
  readonly #payloads = new Map<NotificationId, Payload>()
  readonly #keys: ModelKeys
  readonly #unfinished = new Set<NotificationId>()

  constructor(nowMs: () => number, settings: ModelStoreSettings = {}) {
    this.#nowMs = nowMs
    this.#ttlMs = settings.ttlMs ?? dayMs
    this.#keys = new ModelKeys(nowMs, settings.idempotencyTtlMs ?? dayMs)
    this.#bugs = settings.bugs ?? step.noBugs
  }

  get unfinished(): number {
    return this.#unfinished.size
  }

  /** Rows just accepted; the caller publishes them. */
  add(lane: Lane, count: number): readonly (Lane & Reference)[] {
    const items = Array.from({ length: count }, () => aNotification(lane))
    for (const item of items) this.#insert(item)
    return items.map(({ id }) => ({ ...lane, id, leaseToken: 0 }))
  }

  async accept(
    requests: readonly (readonly NewNotification[])[],
    headStart: HeadStart | null = null,
  ): Promise<readonly AcceptResult[]> {
    return requests.map((request) => this.#acceptOne(request, headStart))
  }

  async claim(refs: readonly Reference[], lease: Lease): Promise<readonly Claimed[]> {
    const nowMs = this.#nowMs()
    const known = refs.filter(({ id, leaseToken }) => {
      const row = lease.isRepeat === true ? this.rows.get(id) : undefined
      return row !== undefined && step.wasClaimedBy(row, leaseToken, lease.owner, nowMs)
    })
    const won = refs.filter(({ id, leaseToken }) =>
      this.#move('claim', id, (row) => step.claimRow(row, leaseToken, lease, nowMs, this.#bugs)),
    )
    return [...won, ...known]
      .flatMap(({ id }) => this.rows.get(id) ?? [])
      .map((row) => toClaimed(this.#payload(row), row, nowMs))
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly Settled[]> {
    const nowMs = this.#nowMs()
    return settlements.flatMap((settlement): readonly Settled[] => {
      const { id } = settlement.claimed
      const result = step.resultOf(settlement)
      const before = this.rows.get(id)
      if (before === undefined) return []
      const moved = this.#move('settle', id, (row) => step.settleRow(row, result, nowMs, this.#bugs))
      const row = moved ?? before
      const answered = moved !== null || step.wasEndedBy(before, result)
      this.history.push({ kind: 'told', verb: 'settle', atMs: nowMs, id, result, row, answered })
      const { status, reason, nextRetryAtMs } = row
      const dueInMs = nextRetryAtMs === null ? null : Math.max(0, nextRetryAtMs - nowMs)
      return answered ? [{ id, status, reason, dueInMs }] : []
    })
  }

  async lateSuccess(settlements: readonly Settlement[]): Promise<readonly NotificationId[]> {
    const sent = settlements.filter((one) => one.decision.kind === 'sent')
    return sent.flatMap((settlement) => {
      const { id } = settlement.claimed
      const result = step.resultOf(settlement)
      const moved = this.#move('late_success', id, (row) => step.lateSuccessRow(row, result, this.#bugs))
      const row = moved ?? this.rows.get(id)
      if (row === undefined) return []
      const answered = moved !== null
      this.history.push({ kind: 'told', verb: 'late_success', atMs: this.#nowMs(), id, result, row, answered })
      return answered ? [id] : []
    })
  }

  async countDue(lanes: readonly Lane[], limit: number): Promise<readonly LaneCount[]> {
    const due = this.#due()
    const countIn = (lane: Lane) => Math.min(limit, due.filter(isIn(lane)).length)
    return lanes.map((lane) => ({ ...lane, count: countIn(lane) })).filter(({ count }) => count > 0)
  }

  async releaseDue(counts: readonly LaneCount[]): Promise<readonly ReleasedRow[]> {
    const nowMs = this.#nowMs()
    const due = this.#due().sort((a, b) => (a.dueAtMs ?? 0) - (b.dueAtMs ?? 0))
    return counts.flatMap((lane) =>
      due
        .filter(isIn(lane))
        .slice(0, lane.count)
        .flatMap((row): readonly ReleasedRow[] => {
          const after = this.#move('release_due', row.id, (one) => step.releaseDueRow(one, nowMs))
          const { channel, priority } = row
          return after === null ? [] : [{ ...refOf(after), channel, priority, cause: step.releaseCause(row) }]
        }),
    )
  }

  async expireDue(lanes: readonly Lane[], limit: number): Promise<readonly Lane[]> {
    const nowMs = this.#nowMs()
    return lanes.flatMap((lane) => {
      const over = this.#open().filter((row) => isIn(lane)(row) && step.expireRow(row, nowMs) !== null)
      return over.slice(0, limit).flatMap(({ id, channel, priority }) => {
        const after = this.#move('expire', id, (row) => step.expireRow(row, nowMs))
        return after === null ? [] : [{ channel, priority }]
      })
    })
  }

  async sweepOrphans(limit: number, backoffMs: number): Promise<readonly Orphan[]> {
    const nowMs = this.#nowMs()
    const orphans: Orphan[] = []
    for (const id of this.#unfinished) {
      if (orphans.length >= limit) break
      const after = this.#move('sweep', id, (row) => step.sweepRow(row, backoffMs, nowMs, this.#bugs))
      if (after === null) continue
      const { channel, priority, status, reason } = after
      orphans.push({ id, channel, priority, status, reason })
    }
    return orphans
  }

  async nextDueInMs(lanes: readonly Lane[]): Promise<number | null> {
    const nowMs = this.#nowMs()
    let nextMs: number | null = null
    for (const row of this.#open()) {
      if (row.status === 'SENDING' || row.dueAtMs === null || row.expiresAtMs <= nowMs) continue
      if (!lanes.some((lane) => isIn(lane)(row))) continue
      if (nextMs === null || row.dueAtMs < nextMs) nextMs = row.dueAtMs
    }
    return nextMs === null ? null : nextMs - nowMs
  }

  async defer(refs: readonly DeferredReference[]): Promise<readonly NotificationId[]> {
    const nowMs = this.#nowMs()
    return refs.flatMap(({ id, leaseToken, delayMs }) => {
      const after = this.#move('defer', id, (row) => step.deferRow(row, leaseToken, delayMs, nowMs))
      return after === null ? [] : [id]
    })
  }

  async release(claims: readonly UnbegunClaim[]): Promise<readonly NotificationId[]> {
    const nowMs = this.#nowMs()
    return claims.flatMap(({ claimed: { id, leaseToken }, delayMs }) => {
      const claim = { leaseToken, delayMs }
      const after = this.#move('give_back', id, (row) => step.giveBackRow(row, claim, nowMs, this.#bugs))
      return after === null ? [] : [id]
    })
  }

  async cancel(tenant: string, id: NotificationId): Promise<CancelResult> {
    const row = this.#ofTenant(tenant, id)
    if (row === null) return { kind: 'not_found' }
    const after = this.#move('cancel', id, step.cancelRow)
    return after === null ? { kind: 'conflict', status: row.status } : { kind: 'canceled' }
  }

  async replay({ tenant, id, generation, force }: ReplayRequest): Promise<ReplayResult> {
    const row = this.#ofTenant(tenant, id)
    if (row === null) return { kind: 'not_found' }
    const wanted = { generation, force, ttlMs: this.#ttlMs }
    const after = this.#move('replay', id, (one) => step.replayRow(one, wanted, this.#nowMs()))
    if (after === null) return { kind: 'conflict', status: row.status, outcomeUnknown: row.outcomeUnknown }
    return { kind: 'replayed', reference: refOf(after), lane: { channel: row.channel, priority: row.priority } }
  }

  async lookUpById(tenant: string, id: NotificationId): Promise<Notification | null> {
    const row = this.#ofTenant(tenant, id)
    return row === null ? null : toNotification(this.#payload(row), row)
  }

  async findByIds(tenant: string, ids: readonly NotificationId[]): Promise<readonly Notification[]> {
    return ids.flatMap((id) => this.#ofTenant(tenant, id) ?? []).map((row) => toNotification(this.#payload(row), row))
  }

  /** Requests one after another come to the same as the one statement over all of them. */
  #acceptOne(request: readonly NewNotification[], headStart: HeadStart | null): AcceptResult {
    const index = this.#keys.conflictIn(request)
    if (index !== -1) return { kind: 'conflict', index }
    return { kind: 'stored', items: request.map((item) => this.#acceptItem(item, headStart)) }
  }

  #acceptItem(item: NewNotification, headStart: HeadStart | null): AcceptedItem {
    const nowMs = this.#nowMs()
    const id = this.#keys.take(item)
    if (id === item.id) this.#insert(item)
    const claimed = id === item.id && headStart?.ids.has(id) === true ? this.#claimNew(id, headStart.lease) : null
    const row = newRow(item, { ttlMs: this.#ttlMs, lookAgainMs }, nowMs)
    return {
      id,
      duplicate: id !== item.id,
      createdAt: new Date(nowMs),
      status: row.status === 'ACCEPTED' ? 'ACCEPTED' : 'QUEUED',
      expiresAt: new Date(row.expiresAtMs),
      dueInMs: Math.max(0, ((claimed === null ? row : this.rows.get(id))?.dueAtMs ?? nowMs) - nowMs),
      claimed,
    }
  }

  /** Accept and claim in one statement come to the same as one after the other. */
  #claimNew(id: NotificationId, lease: HeadStart['lease']): Claimed | null {
    const nowMs = this.#nowMs()
    const row = this.#move('claim', id, (one) => step.claimRow(one, 0, lease, nowMs, this.#bugs))
    return row === null ? null : toClaimed(this.#payload(row), row, nowMs)
  }

  #insert(item: NewNotification): void {
    if (this.rows.has(item.id)) return
    const nowMs = this.#nowMs()
    this.#payloads.set(item.id, { item, createdAtMs: nowMs })
    this.#put('accept', null, newRow(item, { ttlMs: this.#ttlMs, lookAgainMs }, nowMs))
  }

  #move(verb: Verb, id: NotificationId, take: (row: ModelRow) => ModelRow | null): ModelRow | null {
    const before = this.rows.get(id)
    const after = before === undefined ? null : take(before)
    if (before !== undefined && after !== null) this.#put(verb, before, after)
    return after
  }

  #put(verb: Verb, before: ModelRow | null, after: ModelRow): void {
    const broken = brokenConstraint(after)
    if (broken !== null) throw new Error(`${verb} breaks ${broken} on ${after.id}`)
    this.rows.set(after.id, after)
    if (isFinished(after.status)) this.#unfinished.delete(after.id)
    else this.#unfinished.add(after.id)
    this.history.push({ kind: 'moved', verb, atMs: this.#nowMs(), id: after.id, before, after })
  }

  #open(): readonly ModelRow[] {
    return [...this.#unfinished].flatMap((id) => this.rows.get(id) ?? [])
  }

  #due(): ModelRow[] {
    const nowMs = this.#nowMs()
    return this.#open().filter((row) => step.isDue(row, nowMs))
  }

  #ofTenant(tenant: string, id: NotificationId): ModelRow | null {
    return this.#payloads.get(id)?.item.tenant === tenant ? (this.rows.get(id) ?? null) : null
  }

  #payload(row: ModelRow): Payload {
    const found = this.#payloads.get(row.id)
    if (found === undefined) throw new Error(`no payload of ${row.id}`)
    return found
  }
}
