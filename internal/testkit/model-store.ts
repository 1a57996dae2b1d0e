import type { Lane, NotificationId, Status } from '../domain/notification.ts'
import { lookAgainMs } from '../domain/protocol.ts'
import type { Reference } from '../port/broker.ts'
import type {
  Claimed,
  DeferredReference,
  LaneCount,
  NotificationStore,
  ReleasedRow,
  Settled,
} from '../port/notification-store.ts'
import { aClaim, anId } from './builders.ts'

interface Row extends Lane {
  readonly id: NotificationId
  status: Status
  leaseToken: number
  dueAtMs: number
  publishCount: number
}

type ModelledVerbs =
  | 'claim'
  | 'settle'
  | 'lateSuccess'
  | 'release'
  | 'defer'
  | 'countDue'
  | 'releaseDue'
  | 'nextDueInMs'
  | 'sweepOrphans'

/**
 * The rows' life in memory, on a clock that a test moves: tokens, look-again times and release order as the SQL has
 * them; without leases, expiry and attempts. For tests about the flow of copies, not about the store.
 */
export class ModelStore implements Pick<NotificationStore, ModelledVerbs> {
  readonly rows = new Map<NotificationId, Row>()
  readonly #nowMs: () => number
  /** Unfinished rows, oldest due first. */
  #waiting: Row[] = []

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get unfinished(): number {
    return this.#waiting.length
  }

  /** Rows just accepted; the caller publishes them. */
  add(lane: Lane, count: number): readonly (Lane & Reference)[] {
    return Array.from({ length: count }, () => {
      const dueAtMs = this.#nowMs() + lookAgainMs
      const row: Row = { ...lane, id: anId(), status: 'QUEUED', leaseToken: 0, dueAtMs, publishCount: 0 }
      this.rows.set(row.id, row)
      this.#waiting.push(row)
      return { ...lane, id: row.id, leaseToken: 0 }
    })
  }

  claim(refs: readonly Reference[]): Promise<readonly Claimed[]> {
    const won = refs.flatMap((ref) => {
      const row = this.#match(ref, 'QUEUED')
      if (row === null) return []
      row.status = 'SENDING'
      row.leaseToken++
      row.publishCount = 0
      return [aClaim(ref, { channel: row.channel, priority: row.priority })]
    })
    return Promise.resolve(won)
  }

  settle(settlements: Parameters<NotificationStore['settle']>[0]): Promise<readonly Settled[]> {
    const settled = settlements.flatMap(({ claimed }): readonly Settled[] => {
      const row = this.#match(claimed, 'SENDING')
      if (row === null) return []
      row.status = 'SENT'
      this.#waiting = this.#waiting.filter((one) => one !== row)
      return [{ id: row.id, status: 'SENT', reason: null, dueInMs: null }]
    })
    return Promise.resolve(settled)
  }

  lateSuccess(): Promise<readonly NotificationId[]> {
    return Promise.resolve([])
  }

  release(claims: readonly Claimed[]): Promise<readonly NotificationId[]> {
    const rows = claims.flatMap((claim) => this.#match(claim, 'SENDING') ?? [])
    for (const row of rows) {
      row.status = 'QUEUED'
      row.leaseToken++
    }
    return Promise.resolve(rows.map((row) => row.id))
  }

  defer(refs: readonly DeferredReference[]): Promise<readonly NotificationId[]> {
    return Promise.resolve(
      refs.flatMap((ref) => {
        const row = this.#match(ref, 'QUEUED')
        if (row === null) return []
        row.dueAtMs = this.#nowMs() + ref.delayMs
        row.leaseToken++
        row.publishCount = 0
        return [row.id]
      }),
    )
  }

  countDue(lanes: readonly Lane[], limit: number): Promise<readonly LaneCount[]> {
    const counts = lanes.map((lane) => ({ ...lane, count: Math.min(limit, this.#due(lane).length) }))
    return Promise.resolve(counts.filter((lane) => lane.count > 0))
  }

  releaseDue(counts: readonly LaneCount[]): ReturnType<NotificationStore['releaseDue']> {
    const released = counts.flatMap((lane) =>
      this.#due(lane)
        .sort((a, b) => a.dueAtMs - b.dueAtMs)
        .slice(0, lane.count)
        .map((row): ReleasedRow => {
          row.dueAtMs = this.#nowMs() + Math.min(lookAgainMs * 2 ** row.publishCount, 600_000)
          row.publishCount++
          const { id, channel, priority, leaseToken } = row
          return { id, channel, priority, leaseToken, cause: 'lost' }
        }),
    )
    return Promise.resolve({ released, expired: [] })
  }

  nextDueInMs(): Promise<number | null> {
    const times = this.#waiting.filter((row) => row.status === 'QUEUED').map((row) => row.dueAtMs)
    return Promise.resolve(times.length === 0 ? null : times.reduce((a, b) => Math.min(a, b)) - this.#nowMs())
  }

  sweepOrphans(): Promise<readonly never[]> {
    return Promise.resolve([])
  }

  #match(ref: Reference, status: Status): Row | null {
    const row = this.rows.get(ref.id)
    return row !== undefined && row.status === status && row.leaseToken === ref.leaseToken ? row : null
  }

  #due(lane: Lane): Row[] {
    const nowMs = this.#nowMs()
    return this.#waiting.filter(
      (row) =>
        row.status === 'QUEUED' &&
        row.dueAtMs <= nowMs &&
        row.channel === lane.channel &&
        row.priority === lane.priority,
    )
  }
}
