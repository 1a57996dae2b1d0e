import type { Lane, NewNotification, Notification } from '../../domain/notification.ts'
import type { Reference } from '../../port/broker.ts'
import type { Claimed } from '../../port/notification-store.ts'
import type { ModelRow } from './row.ts'

/** What was stored with a row and never changes. */
export interface Payload {
  readonly item: NewNotification
  readonly createdAtMs: number
}

export function toClaimed({ item, createdAtMs }: Payload, row: ModelRow, nowMs: number): Claimed {
  const { batchId: _batch, idempotencyKey: _key, bodyHash: _hash, scheduledAt, expiresAt: _ends, ...said } = item
  const dueMs = Math.max(createdAtMs, scheduledAt?.getTime() ?? 0)
  const attempts = row.attempts.filter(({ generation }) => generation === row.generation)
  const open = attempts.filter(({ outcome }) => outcome === 'unknown' || outcome === 'abandoned')
  return {
    ...said,
    createdAt: new Date(createdAtMs),
    tried: attempts.flatMap(({ connection }) => connection ?? []),
    unknownOver: row.outcomeUnknown ? open.map(({ connection }) => connection) : [],
    openOverPlain: row.outcomeUnknown && open.some((one) => one.outcome === 'unknown' && one.connection === null),
    dueForMs: row.generation === 0 ? Math.max(0, nowMs - dueMs) : null,
    generation: row.generation,
    attempt: row.attemptCount,
    maxAttempts: row.maxAttempts,
    leaseToken: row.leaseToken,
    waitedMs: row.attemptCount === 1 ? Math.max(0, nowMs - dueMs) : null,
  }
}

/** Texts of providers are not modelled. */
export function toNotification({ item, createdAtMs }: Payload, row: ModelRow): Notification {
  const { tenant: _tenant, bodyHash: _hash, traceparent: _trace, ...said } = item
  return {
    ...said,
    status: row.status,
    providerMessageId: null,
    attemptCount: row.attemptCount,
    generation: row.generation,
    outcomeUnknown: row.outcomeUnknown,
    nextRetryAt: row.nextRetryAtMs === null ? null : new Date(row.nextRetryAtMs),
    expiresAt: new Date(row.expiresAtMs),
    createdAt: new Date(createdAtMs),
    updatedAt: new Date(createdAtMs),
    lastError: null,
  }
}

export function refOf({ id, leaseToken }: ModelRow): Reference {
  return { id, leaseToken }
}

export function isIn({ channel, priority }: Lane): (row: ModelRow) => boolean {
  return (row) => row.channel === channel && row.priority === priority
}
