import { errorMessageMax, responseExcerptMax } from '../domain/attempt.ts'
import type { NotificationId } from '../domain/notification.ts'
import { attemptOutcome } from '../domain/outcome.ts'
import type { Reference } from '../port/broker.ts'
import type {
  Claimed,
  DeferredReference,
  Lease,
  Settled,
  Settlement,
  UnbegunClaim,
} from '../port/notification-store.ts'
import { storable } from './params.ts'
import type { PostgresPool } from './pool.ts'
import { toPriority } from './rows.ts'
import {
  claimStatement,
  deferStatement,
  lateSuccessStatement,
  releaseStatement,
  type SettleItem,
  settleStatement,
} from './work-statements.ts'

/** Longest provider name, message id and error code that is stored; what is longer is cut. */
const shortTextMax = 512

export async function claim(pool: PostgresPool, refs: readonly Reference[], lease: Lease): Promise<readonly Claimed[]> {
  if (refs.length === 0) return []
  const rows = await pool.run(claimStatement, [
    refs.map((ref) => ref.id),
    refs.map((ref) => ref.leaseToken),
    lease.owner,
    lease.durationMs,
  ])
  return rows.map((row) => ({ ...row, priority: toPriority(row.priority) }))
}

export async function settle(pool: PostgresPool, settlements: readonly Settlement[]): Promise<readonly Settled[]> {
  if (settlements.length === 0) return []
  const items = settlements.map(toSettleItem)
  const rows = await pool.run(settleStatement, [
    items.map((item) => item.id),
    items.map((item) => item.token),
    items.map((item) => item.decision),
    items.map((item) => item.reason),
    items.map((item) => item.afterMs),
    items.map((item) => item.burnsBudget),
    items.map((item) => item.unknown),
    items.map((item) => item.outcome),
    items.map((item) => item.provider),
    items.map((item) => item.providerMessageId),
    items.map((item) => item.statusCode),
    items.map((item) => item.errorCode),
    items.map((item) => item.errorMessage),
    items.map((item) => item.responseExcerpt),
    items.map((item) => item.durationMs),
    items.map((item) => item.attempt),
    items.map((item) => item.connection),
    items.map((item) => item.connector),
    items.map((item) => item.rule),
  ])
  return rows.map((row) => ({ ...row, dueInMs: row.dueInMs === null ? null : Math.max(0, row.dueInMs) }))
}

function toSettleItem({ claimed, provider, via, result, decision, durationMs }: Settlement): SettleItem {
  const failed = result.kind === 'accepted' ? null : result
  return {
    id: claimed.id,
    token: claimed.leaseToken,
    decision: decision.kind,
    reason: decision.kind === 'failed' ? decision.reason : null,
    afterMs: decision.kind === 'retry' ? decision.afterMs : 0,
    burnsBudget: decision.kind === 'retry' ? decision.burnsBudget : true,
    unknown: result.kind === 'unknown',
    outcome: attemptOutcome(result),
    provider: storable(provider, shortTextMax),
    connection: via?.connection ?? null,
    connector: via?.connector ?? null,
    rule: storable(via?.rule ?? null, shortTextMax),
    providerMessageId: result.kind === 'accepted' ? storable(result.providerMessageId, shortTextMax) : null,
    statusCode: result.statusCode,
    errorCode: storable(failed?.code ?? null, shortTextMax),
    errorMessage: storable(failed?.message ?? null, errorMessageMax),
    responseExcerpt: storable(result.responseExcerpt, responseExcerptMax),
    durationMs: Math.round(durationMs),
    attempt: claimed.attempt,
  }
}

export async function lateSuccess(
  pool: PostgresPool,
  settlements: readonly Settlement[],
): Promise<readonly NotificationId[]> {
  const sent = settlements.filter((one) => one.decision.kind === 'sent')
  if (sent.length === 0) return []
  const items = sent.map(toSettleItem)
  const rows = await pool.run(lateSuccessStatement, [
    items.map((item) => item.id),
    items.map((item) => item.token),
    items.map((item) => item.attempt),
    sent.map((one) => one.claimed.generation),
    items.map((item) => item.provider),
    items.map((item) => item.providerMessageId),
    items.map((item) => item.statusCode),
    items.map((item) => item.responseExcerpt),
    items.map((item) => item.durationMs),
    items.map((item) => item.connection),
    items.map((item) => item.connector),
    items.map((item) => item.rule),
  ])
  return rows.map((row) => row.id)
}

export async function defer(
  pool: PostgresPool,
  refs: readonly DeferredReference[],
): Promise<readonly NotificationId[]> {
  if (refs.length === 0) return []
  const rows = await pool.run(deferStatement, [
    refs.map((ref) => ref.id),
    refs.map((ref) => ref.leaseToken),
    refs.map((ref) => ref.delayMs),
  ])
  return rows.map((row) => row.id)
}

export async function release(pool: PostgresPool, claims: readonly UnbegunClaim[]): Promise<readonly NotificationId[]> {
  if (claims.length === 0) return []
  const rows = await pool.run(releaseStatement, [
    claims.map(({ claimed }) => claimed.id),
    claims.map(({ claimed }) => claimed.leaseToken),
    claims.map(({ delayMs }) => delayMs),
  ])
  return rows.map((row) => row.id)
}
