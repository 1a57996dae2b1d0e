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
import { type Param, storable } from './params.ts'
import type { PostgresPool } from './pool.ts'
import { toPriority } from './rows.ts'
import {
  type ClaimRow,
  claimedBeforeStatement,
  claimStatement,
  deferStatement,
  lateSuccessStatement,
  releaseStatement,
  type SettledRow,
  type SettleItem,
  settledBeforeStatement,
  settleStatement,
} from './work-statements.ts'

/** Longest provider name, message id and error code that is stored; what is longer is cut. */
const shortTextMax = 512

export async function claim(pool: PostgresPool, refs: readonly Reference[], lease: Lease): Promise<readonly Claimed[]> {
  if (refs.length === 0) return []
  const rows = await pool.run(claimStatement, [...idsAndTokens(refs), lease.owner, lease.durationMs])
  const all = lease.isRepeat === true ? [...rows, ...(await claimedBefore(pool, refs, lease, rows))] : rows
  return all.map(toClaimed)
}

/** Those of a group that an earlier call of the same owner has won, whose answer was lost. */
function claimedBefore(
  pool: PostgresPool,
  refs: readonly Reference[],
  { owner }: Lease,
  won: readonly ClaimRow[],
): Promise<readonly ClaimRow[]> {
  const ids = new Set(won.map((row) => row.id))
  return pool.run(claimedBeforeStatement, [...idsAndTokens(refs.filter(({ id }) => !ids.has(id))), owner])
}

function idsAndTokens(refs: readonly Reference[]): readonly Param[] {
  return [refs.map(({ id }) => id), refs.map(({ leaseToken }) => leaseToken)]
}

/** Field by field: spreading an object of so many fields takes longer than reading it from the wire. */
function toClaimed(row: ClaimRow): Claimed {
  return {
    id: row.id,
    tenant: row.tenant,
    channel: row.channel,
    priority: toPriority(row.priority),
    generation: row.generation,
    attempt: row.attempt,
    maxAttempts: row.maxAttempts,
    maxRetries: row.maxRetries,
    leaseToken: row.leaseToken,
    createdAt: row.createdAt,
    correlationId: row.correlationId,
    recipient: row.recipient,
    content: row.content,
    title: row.title,
    html: row.html,
    data: row.data,
    metadata: row.metadata,
    tags: row.tags ?? [],
    provider: row.provider,
    traceparent: row.traceparent,
    tried: row.tried ?? [],
    unknownOver: row.unknownOver ?? [],
    openOverPlain: row.openOverPlain,
    dueForMs: row.generation === 0 ? row.sinceDueMs : null,
    waitedMs: row.attempt === 1 ? row.sinceDueMs : null,
  }
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
    items.map((item) => item.connection),
    items.map((item) => item.connector),
    items.map((item) => item.rule),
  ])
  const all = rows.length === items.length ? rows : [...rows, ...(await settledBefore(pool, settlements, rows))]
  return all.map((row) => ({ ...row, dueInMs: row.dueInMs === null ? null : Math.max(0, row.dueInMs) }))
}

/** Those of a group that an earlier call has settled, whose answer was lost. */
function settledBefore(
  pool: PostgresPool,
  settlements: readonly Settlement[],
  settled: readonly SettledRow[],
): Promise<readonly SettledRow[]> {
  const ids = new Set(settled.map((row) => row.id))
  const claims = settlements.map(({ claimed }) => claimed).filter(({ id }) => !ids.has(id))
  return pool.run(settledBeforeStatement, [...idsAndTokens(claims), claims.map(({ attempt }) => attempt)])
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
    sent.map((one) => one.claimed.attempt),
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
