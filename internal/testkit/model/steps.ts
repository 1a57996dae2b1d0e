import type { AttemptOutcome } from '../../domain/attempt.ts'
import { attemptOutcome, type Decision } from '../../domain/outcome.ts'
import { lookAgainMs } from '../../domain/protocol.ts'
import type { ReleaseCause, Settlement } from '../../port/notification-store.ts'
import type { ModelAttempt, ModelRow } from './row.ts'

/**
 * Every statement of the store as a pure step of one row: the row after it, or null when the statement passes the row
 * by. `internal/testkit/model/conformance.pg.test.ts` holds these steps against PostgreSQL, so what is proved about
 * them is proved about the SQL.
 */

/** Mistakes that a test plants to see that its checker finds them; each leaves out one guard of the protocol. */
export type Planted =
  | 'claim_ignores_token'
  | 'settle_ignores_token'
  | 'sweep_keeps_token'
  | 'sweep_ignores_lease'
  | 'sweep_forgets_attempt'
  | 'release_keeps_attempt'
  | 'late_success_ignored'
  | 'retry_is_due_at_once'
  /** Not in a statement: an outage looks like a bug, so that the engine does not wait for its end. */
  | 'outage_looks_final'

export type Bugs = ReadonlySet<Planted>
export const noBugs: Bugs = new Set()

const longestLookAgainMs = 600_000
const longestRetryMs = 86_400_000

/** What a settle or late success says; token, attempt and generation are those of its claim. */
export interface Result {
  readonly leaseToken: number
  readonly attempt: number
  readonly generation: number
  readonly decision: Decision
  readonly outcome: AttemptOutcome
  /** What it went over, when it was a connection. */
  readonly connection: string | null
}

export function resultOf({ claimed, via, decision, result }: Settlement): Result {
  const { leaseToken, attempt, generation } = claimed
  const outcome = attemptOutcome(result)
  return { leaseToken, attempt, generation, decision, outcome, connection: via?.connection ?? null }
}

/** As the port has it: `owner` names one call of one process. */
export interface ModelLease {
  readonly owner: string
  readonly durationMs: number
}

export function claimRow(
  row: ModelRow,
  token: number,
  lease: ModelLease,
  nowMs: number,
  bugs = noBugs,
): ModelRow | null {
  const isEarly = row.nextRetryAtMs !== null && row.nextRetryAtMs > nowMs
  if ((row.leaseToken !== token || isEarly) && !bugs.has('claim_ignores_token')) return null
  if (row.status !== 'QUEUED' || row.expiresAtMs <= nowMs) return null
  if (row.attemptCount >= row.maxAttempts) return null
  const leaseUntilMs = nowMs + lease.durationMs
  return {
    ...row,
    status: 'SENDING',
    attemptCount: row.attemptCount + 1,
    leaseToken: row.leaseToken + 1,
    publishCount: 0,
    leaseOwner: lease.owner,
    leaseUntilMs,
    dueAtMs: Math.min(row.dueAtMs ?? nowMs, leaseUntilMs),
    nextRetryAtMs: null,
  }
}

/** A claim that is repeated after its answer was lost finds its own work. */
export function wasClaimedBy(row: ModelRow, token: number, owner: string, nowMs: number): boolean {
  const isOwn = row.status === 'SENDING' && row.leaseToken === token + 1 && row.leaseOwner === owner
  return isOwn && row.leaseUntilMs !== null && row.leaseUntilMs > nowMs
}

/** `row` as it was before tells by itself what a repeated settle is answered: see {@link wasEndedBy}. */
export function settleRow(row: ModelRow, result: Result, nowMs: number, bugs = noBugs): ModelRow | null {
  if (row.status !== 'SENDING') return null
  if (row.leaseToken !== result.leaseToken && !bugs.has('settle_ignores_token')) return null
  const { decision } = result
  const isOver = row.expiresAtMs <= nowMs
  const isSpent = decision.kind === 'retry' && decision.burnsBudget && row.attemptCount >= row.maxAttempts
  const isRetry = decision.kind === 'retry' && !isOver && !isSpent
  const status = decision.kind === 'sent' ? 'SENT' : isRetry ? 'QUEUED' : 'FAILED'
  const afterMs = decision.kind === 'retry' ? Math.min(Math.max(decision.afterMs, 0), longestRetryMs) : 0
  const waitMs = bugs.has('retry_is_due_at_once') ? 0 : afterMs
  const dueAtMs = isRetry ? Math.min(nowMs + waitMs, row.expiresAtMs) : null
  const reason = decision.kind === 'failed' ? decision.reason : isOver ? 'expired' : 'retry_exhausted'
  const after: ModelRow = {
    ...row,
    status,
    reason: status === 'FAILED' ? reason : null,
    leaseOwner: null,
    leaseUntilMs: null,
    outcomeUnknown: status !== 'SENT' && (row.outcomeUnknown || result.outcome === 'unknown'),
    maxAttempts: row.maxAttempts + (isRetry && !decision.burnsBudget ? 1 : 0),
    dueAtMs,
    nextRetryAtMs: dueAtMs,
  }
  return withAttempt(after, result.outcome, result.connection)
}

/** A settle that is repeated after its answer was lost finds its own work: the row still carries its token. */
export function wasEndedBy(row: ModelRow, result: Result): boolean {
  return row.status !== 'SENDING' && row.leaseToken === result.leaseToken && row.attemptCount === result.attempt
}

export function lateSuccessRow(row: ModelRow, result: Result, bugs = noBugs): ModelRow | null {
  const isSame = row.attemptCount === result.attempt && row.generation === result.generation
  const isOpen = row.status === 'QUEUED' || row.status === 'FAILED'
  if (!isSame || !isOpen || !row.outcomeUnknown || row.leaseToken <= result.leaseToken) return null
  if (bugs.has('late_success_ignored')) return null
  const end: ModelRow = {
    ...row,
    status: 'SENT',
    dueAtMs: null,
    nextRetryAtMs: null,
    reason: null,
    outcomeUnknown: false,
  }
  const attempts = row.attempts.map(
    (one): ModelAttempt =>
      one.number === row.attemptCount
        ? { ...one, outcome: 'ok', late: true, connection: result.connection, nextRetryAtMs: null }
        : one,
  )
  return { ...end, attempts }
}

function waits(row: ModelRow, nowMs: number): boolean {
  return (row.status === 'ACCEPTED' || row.status === 'QUEUED') && row.dueAtMs !== null && row.dueAtMs <= nowMs
}

/** May be released; an expired row ends instead. */
export function isDue(row: ModelRow, nowMs: number): boolean {
  return waits(row, nowMs) && row.expiresAtMs > nowMs
}

export function releaseCause(row: ModelRow): ReleaseCause {
  if (row.status === 'ACCEPTED') return 'schedule'
  return row.nextRetryAtMs !== null && row.publishCount === 0 ? 'retry' : 'lost'
}

export function releaseDueRow(row: ModelRow, nowMs: number): ModelRow | null {
  if (!isDue(row, nowMs)) return null
  const waitMs = Math.min(lookAgainMs * 2 ** Math.min(row.publishCount, 6), longestLookAgainMs)
  const publishCount = Math.min(row.publishCount + 1, 100)
  return { ...row, status: 'QUEUED', dueAtMs: Math.min(nowMs + waitMs, row.expiresAtMs), publishCount }
}

export function expireRow(row: ModelRow, nowMs: number): ModelRow | null {
  if (!waits(row, nowMs) || row.expiresAtMs > nowMs) return null
  return { ...row, status: 'FAILED', reason: 'expired', dueAtMs: null, nextRetryAtMs: null }
}

export function sweepRow(row: ModelRow, backoffMs: number, nowMs: number, bugs = noBugs): ModelRow | null {
  if (row.status !== 'SENDING' || row.dueAtMs === null || row.dueAtMs > nowMs) return null
  if (row.leaseUntilMs !== null && row.leaseUntilMs > nowMs && !bugs.has('sweep_ignores_lease')) return null
  const isSpent = row.attemptCount >= row.maxAttempts
  const isOver = row.expiresAtMs <= nowMs
  const ends = isSpent || isOver
  const dueAtMs = ends ? null : Math.min(nowMs + backoffMs, row.expiresAtMs)
  const after: ModelRow = {
    ...row,
    status: ends ? 'FAILED' : 'QUEUED',
    reason: isSpent ? 'retry_exhausted' : isOver ? 'expired' : null,
    leaseToken: row.leaseToken + (bugs.has('sweep_keeps_token') ? 0 : 1),
    leaseOwner: null,
    leaseUntilMs: null,
    outcomeUnknown: true,
    dueAtMs,
    nextRetryAtMs: dueAtMs,
  }
  return bugs.has('sweep_forgets_attempt') ? after : withAttempt(after, 'abandoned', null)
}

export function deferRow(row: ModelRow, token: number, delayMs: number, nowMs: number): ModelRow | null {
  if (row.status !== 'QUEUED' || row.leaseToken !== token) return null
  const dueAtMs = Math.min(nowMs + Math.max(delayMs, 0), row.expiresAtMs)
  const nextRetryAtMs = row.nextRetryAtMs === null ? null : dueAtMs
  return { ...row, dueAtMs, nextRetryAtMs, publishCount: 0, leaseToken: row.leaseToken + 1 }
}

export function giveBackRow(
  row: ModelRow,
  claim: { readonly leaseToken: number; readonly delayMs: number },
  nowMs: number,
  bugs = noBugs,
): ModelRow | null {
  if (row.status !== 'SENDING' || row.leaseToken !== claim.leaseToken) return null
  return {
    ...row,
    status: 'QUEUED',
    attemptCount: row.attemptCount - (bugs.has('release_keeps_attempt') ? 0 : 1),
    leaseToken: row.leaseToken + 1,
    leaseOwner: null,
    leaseUntilMs: null,
    dueAtMs: Math.min(nowMs + Math.max(claim.delayMs, 0), row.expiresAtMs),
  }
}

export function cancelRow(row: ModelRow): ModelRow | null {
  if (row.status !== 'ACCEPTED' && row.status !== 'QUEUED') return null
  return { ...row, status: 'CANCELED', dueAtMs: null, nextRetryAtMs: null }
}

export function replayRow(
  row: ModelRow,
  wanted: { readonly generation: number; readonly force: boolean; readonly ttlMs: number },
  nowMs: number,
): ModelRow | null {
  if (row.status !== 'FAILED' || row.generation !== wanted.generation) return null
  if (row.outcomeUnknown && !wanted.force) return null
  const expiresAtMs = nowMs + wanted.ttlMs
  return {
    ...row,
    status: 'QUEUED',
    generation: row.generation + 1,
    leaseToken: row.leaseToken + 1,
    maxAttempts: row.attemptCount + row.maxRetries,
    publishCount: 0,
    outcomeUnknown: false,
    reason: null,
    expiresAtMs,
    dueAtMs: Math.min(nowMs + lookAgainMs, expiresAtMs),
  }
}

/** A second end of the same attempt changes nothing: the first word stands. */
function withAttempt(row: ModelRow, outcome: AttemptOutcome, connection: string | null): ModelRow {
  if (row.attempts.some((one) => one.number === row.attemptCount)) return row
  const { attemptCount: number, generation, nextRetryAtMs } = row
  const attempt: ModelAttempt = { number, generation, connection, outcome, late: false, nextRetryAtMs }
  return { ...row, attempts: [...row.attempts, attempt] }
}
