import type { Attempt } from '../domain/attempt.ts'
import type { StatusCount } from '../domain/batch.ts'
import type {
  Channel,
  FailureReason,
  JsonObject,
  Lane,
  NewNotification,
  Notification,
  NotificationId,
  Status,
} from '../domain/notification.ts'
import type { Decision, SendResult } from '../domain/outcome.ts'
import type { Reference } from './broker.ts'

/** The answer for one item of an accepted request, in the order given. */
export interface AcceptedItem {
  /** The id of the stored row: the item's own, or the one an earlier request stored under the same key. */
  readonly id: NotificationId
  /** True when an earlier request (or an earlier item of this one) holds the key. */
  readonly duplicate: boolean
  readonly createdAt: Date
  /** `ACCEPTED` when scheduled for the future. For a duplicate: the status a new row would have got. */
  readonly status: 'ACCEPTED' | 'QUEUED'
  readonly expiresAt: Date
  /** How long until somebody must look at the row again. */
  readonly dueInMs: number
  /** Not null: the row was stored as SENDING, and the caller holds this claim. */
  readonly claimed: Claimed | null
}

/** Rows of an accept that its own process can send at once: stored as claimed, they need no claim of their own. */
export interface HeadStart {
  readonly lease: Pick<Lease, 'owner' | 'durationMs'>
  readonly ids: ReadonlySet<NotificationId>
}

export type AcceptResult =
  | { readonly kind: 'stored'; readonly items: readonly AcceptedItem[] }
  /** Item `index` repeats a key with another body; nothing of this request was stored. */
  | { readonly kind: 'conflict'; readonly index: number }

export interface Lease {
  readonly owner: string
  readonly durationMs: number
  /** An earlier call of the same owner for the same references was left without an answer: what it won is answered too. */
  readonly isRepeat?: boolean
}

/** A notification that this worker alone may send until the lease ends. */
export interface Claimed extends Lane {
  readonly id: NotificationId
  readonly tenant: string
  readonly correlationId: string
  readonly recipient: string
  readonly content: string
  readonly title: string | null
  /** The content as HTML, beside the plain one. */
  readonly html: string | null
  /** What the target's own format takes besides the texts. */
  readonly data: JsonObject | null
  readonly tags: readonly string[]
  readonly metadata: JsonObject | null
  /** The one connection that may send it; null = as the routes say. */
  readonly provider: string | null
  readonly createdAt: Date
  readonly traceparent: string | null
  readonly generation: number
  /** Connections of this generation's earlier attempts, oldest first, once for each attempt that went over one. */
  readonly tried: readonly string[]
  /** Connections over which this generation may have arrived, oldest first; null in it: nobody can tell over which. */
  readonly unknownOver: readonly (string | null)[]
  /** One of these attempts went over the plain provider: there was no route for it then. */
  readonly openOverPlain: boolean
  /** Milliseconds since it was first due; null after a replay, which gave it a time to live of its own. */
  readonly dueForMs: number | null
  /** 1-based number of this attempt, over all generations. */
  readonly attempt: number
  /** Last allowed attempt number. */
  readonly maxAttempts: number
  /** Attempt budget of one generation. */
  readonly maxRetries: number
  /** The fence: settle and release pass it back. */
  readonly leaseToken: number
  /** Milliseconds from due to claim on the first attempt, else null. */
  readonly waitedMs: number | null
}

/** What an attempt went over, when it was a connection. */
export interface AttemptVia {
  readonly connection: string
  /** `<connector id>@<version>`. */
  readonly connector: string
  /** The connector's rule that read the answer; null for a default. */
  readonly rule: string | null
}

export interface Settlement {
  readonly claimed: Claimed
  /** Null when it ended without a try. */
  readonly provider: string | null
  /** Absent for the plain webhook. */
  readonly via?: AttemptVia
  readonly result: SendResult
  readonly decision: Decision
  readonly durationMs: number
}

export interface Settled {
  readonly id: NotificationId
  readonly status: Status
  readonly reason: FailureReason | null
  /** Milliseconds until due again; null when finished. */
  readonly dueInMs: number | null
}

/** Why the scan found the row. */
export type ReleaseCause = 'schedule' | 'retry' | 'lost'

export interface ReleasedRow extends Lane, Reference {
  readonly cause: ReleaseCause
}

export interface LaneCount extends Lane {
  readonly count: number
}

export interface Orphan extends Lane {
  readonly id: NotificationId
  readonly status: Status
  readonly reason: FailureReason | null
}

export interface DeferredReference extends Reference {
  readonly delayMs: number
}

/** A claim whose send was not begun. */
export interface UnbegunClaim {
  readonly claimed: Claimed
  /** When it is due again. */
  readonly delayMs: number
}

export type CancelResult =
  | { readonly kind: 'canceled' }
  | { readonly kind: 'not_found' }
  | { readonly kind: 'conflict'; readonly status: Status }

export interface ReplayRequest {
  readonly tenant: string
  readonly id: NotificationId
  /** The generation the caller saw: a replay that lost a race is a conflict, not a second replay. */
  readonly generation: number
  /** Replay even though an earlier attempt may have arrived. */
  readonly force: boolean
}

export type ReplayResult =
  | { readonly kind: 'replayed'; readonly reference: Reference; readonly lane: Lane }
  | { readonly kind: 'not_found' }
  | { readonly kind: 'conflict'; readonly status: Status; readonly outcomeUnknown: boolean }

export interface NotificationFilter {
  readonly status?: Status
  readonly channel?: Channel
  /** Inclusive, by `createdAt`. */
  readonly from?: Date
  readonly to?: Date
  readonly batchId?: string
  readonly correlationId?: string
  readonly recipient?: string
  readonly tag?: string
}

/** A place in the list, newest first: rows strictly after (older) or before (newer) this one. */
export interface KeysetPosition {
  readonly direction: 'after' | 'before'
  readonly createdAt: Date
  readonly id: NotificationId
}

export type ListPage =
  | { readonly kind: 'offset'; readonly offset: number; readonly limit: number }
  | { readonly kind: 'keyset'; readonly position: KeysetPosition | null; readonly limit: number }

/**
 * The truth. Every method is one auto-committed statement over arrays; none holds a transaction open.
 * @throws DependencyUnavailableError from every method when PostgreSQL cannot be reached or did not answer in time;
 *   whether the statement took effect is then unknown, and repeating it with the same arguments is safe.
 * @throws RejectedDataError from accept and settle when PostgreSQL refuses the data; nothing was written.
 */
export interface NotificationStore {
  /**
   * Stores whole requests: each is stored with all its items, or not at all. Results in the order given. Only what is
   * stored anew, is due and has not expired takes its head start. After a lost answer the call is repeated without one: a
   * repeated {@link claim} tells which rows have theirs.
   */
  accept(
    requests: readonly (readonly NewNotification[])[],
    headStart?: HeadStart | null,
  ): Promise<readonly AcceptResult[]>

  /**
   * Claims what is still QUEUED under the given token and not expired; what is missing was a stale copy. A call that says
   * it is a repeat also returns what the first one claimed: `owner` names one call of one process.
   */
  claim(refs: readonly Reference[], lease: Lease): Promise<readonly Claimed[]>

  /** Ends attempts: status, next due time and attempt row. A missing id was fenced off: its lease was lost. */
  settle(settlements: readonly Settlement[]): Promise<readonly Settled[]>

  /** For successes that `settle` did not return: QUEUED or FAILED with unknown outcome → SENT. Returns the ids moved. */
  lateSuccess(settlements: readonly Settlement[]): Promise<readonly NotificationId[]>

  /** Due rows that wait for a release, per lane, counted up to `limit` each. Lanes without any are left out, expired rows too. */
  countDue(lanes: readonly Lane[], limit: number): Promise<readonly LaneCount[]>

  /** Makes up to `count` due rows of each lane QUEUED anew, to be published by the caller. */
  releaseDue(counts: readonly LaneCount[]): Promise<readonly ReleasedRow[]>

  /** Ends up to `limit` waiting rows of each lane whose time is over as FAILED. Returns the lane of each. */
  expireDue(lanes: readonly Lane[], limit: number): Promise<readonly Lane[]>

  /** Ends attempts whose lease is over: QUEUED after `backoffMs`, or FAILED when budget or time is spent. */
  sweepOrphans(limit: number, backoffMs: number): Promise<readonly Orphan[]>

  /** Milliseconds until the next row of these lanes is due (negative: overdue), SENDING and expired ones left out; null when none. */
  nextDueInMs(lanes: readonly Lane[]): Promise<number | null>

  /** Moves the due time without burning an attempt; stale references are passed by. Returns the ids moved. */
  defer(refs: readonly DeferredReference[]): Promise<readonly NotificationId[]>

  /** Gives back claims whose send was not begun: the attempt is taken back. Returns the ids given back. */
  release(claims: readonly UnbegunClaim[]): Promise<readonly NotificationId[]>

  cancel(tenant: string, id: NotificationId): Promise<CancelResult>

  /** FAILED → QUEUED as a new generation with a new budget and a new time to live. */
  replay(request: ReplayRequest): Promise<ReplayResult>

  lookUpById(tenant: string, id: NotificationId): Promise<Notification | null>
  findByIds(tenant: string, ids: readonly NotificationId[]): Promise<readonly Notification[]>
  /** Newest first by (createdAt, id); a `before` page is returned newest first too. */
  list(tenant: string, filter: NotificationFilter, page: ListPage): Promise<readonly Notification[]>
  count(tenant: string, filter: NotificationFilter): Promise<number>
  /** The planner's estimate: cheap, may be off. */
  estimateCount(tenant: string, filter: NotificationFilter): Promise<number>
  /** By number ascending; null when there is no such notification. */
  findAttempts(tenant: string, id: NotificationId): Promise<readonly Attempt[] | null>
  /** Rows per status of a batch; empty when there is no such batch. */
  countBatch(tenant: string, batchId: string): Promise<readonly StatusCount[]>
}
