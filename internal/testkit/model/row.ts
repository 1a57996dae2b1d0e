import type { AttemptOutcome } from '../../domain/attempt.ts'
import type { FailureReason, Lane, NewNotification, NotificationId, Status } from '../../domain/notification.ts'
import { isFinished } from '../../domain/status.ts'

/** Times are milliseconds on the model's clock. */
export interface ModelAttempt {
  readonly number: number
  readonly generation: number
  readonly connection: string | null
  readonly outcome: AttemptOutcome
  readonly late: boolean
  readonly nextRetryAtMs: number | null
}

/** One notification as the database holds it: the columns that change, and its attempts. Never changed in place. */
export interface ModelRow extends Lane {
  readonly id: NotificationId
  readonly status: Status
  readonly generation: number
  readonly attemptCount: number
  readonly maxAttempts: number
  /** Attempt budget of one generation. */
  readonly maxRetries: number
  readonly publishCount: number
  readonly outcomeUnknown: boolean
  readonly leaseToken: number
  readonly leaseOwner: string | null
  readonly leaseUntilMs: number | null
  readonly dueAtMs: number | null
  readonly nextRetryAtMs: number | null
  readonly expiresAtMs: number
  readonly reason: FailureReason | null
  readonly attempts: readonly ModelAttempt[]
}

/** What accept makes of a request's item. */
export function newRow(
  item: NewNotification,
  settings: { ttlMs: number; lookAgainMs: number },
  nowMs: number,
): ModelRow {
  const scheduledMs = item.scheduledAt?.getTime() ?? nowMs
  const expiresAtMs = item.expiresAt?.getTime() ?? Math.max(scheduledMs, nowMs) + settings.ttlMs
  const isScheduled = scheduledMs > nowMs
  return {
    id: item.id,
    channel: item.channel,
    priority: item.priority,
    status: isScheduled ? 'ACCEPTED' : 'QUEUED',
    generation: 0,
    attemptCount: 0,
    maxAttempts: item.maxRetries,
    maxRetries: item.maxRetries,
    publishCount: 0,
    outcomeUnknown: false,
    leaseToken: 0,
    leaseOwner: null,
    leaseUntilMs: null,
    dueAtMs: Math.min(isScheduled ? scheduledMs : nowMs + settings.lookAgainMs, expiresAtMs),
    nextRetryAtMs: null,
    expiresAtMs,
    reason: null,
    attempts: [],
  }
}

/** The CHECK constraints of the tables: PostgreSQL would refuse the statement. Returns what is broken, or null. */
export function brokenConstraint(row: ModelRow): string | null {
  if ((row.dueAtMs === null) !== isFinished(row.status)) return 'unfinished_has_due'
  if ((row.leaseUntilMs !== null) !== (row.status === 'SENDING')) return 'claim_has_end'
  if ((row.reason !== null) !== (row.status === 'FAILED')) return 'failure_has_reason'
  if (row.dueAtMs !== null && row.dueAtMs > row.expiresAtMs) return 'due_before_expiry'
  if (row.nextRetryAtMs !== null && row.status !== 'QUEUED') return 'retry_is_queued'
  if (row.attemptCount < 0 || row.attemptCount > row.maxAttempts) return 'budget_kept'
  return null
}
