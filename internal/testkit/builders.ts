import { createHash } from 'node:crypto'
import type { Lane, NewNotification } from '../domain/notification.ts'
import { idempotentBody } from '../domain/notification.ts'
import type { Reference } from '../port/broker.ts'
import type { Claimed } from '../port/notification-store.ts'

let made = 0

/** A fresh, well-formed UUIDv7-like id, unique in this process and ascending. */
export function anId(): string {
  const tail = (++made).toString(16).padStart(12, '0')
  const head = Date.now().toString(16).padStart(12, '0')
  return `${head.slice(0, 8)}-${head.slice(8)}-7000-8000-${tail}`
}

export function aNotification(change: Partial<NewNotification> = {}): NewNotification {
  const draft = {
    id: anId(),
    tenant: 'default',
    channel: 'SMS',
    priority: 'NORMAL',
    batchId: null,
    correlationId: 'correlation-1',
    idempotencyKey: null,
    recipient: '+15550000001',
    content: 'hello',
    title: null,
    html: null,
    data: null,
    provider: null,
    scheduledAt: null,
    expiresAt: null,
    maxRetries: 5,
    tags: [],
    metadata: null,
    traceparent: null,
    ...change,
  } as const satisfies Omit<NewNotification, 'bodyHash'>
  return { ...draft, bodyHash: change.bodyHash ?? createHash('sha256').update(idempotentBody(draft)).digest('hex') }
}

export function aClaim(
  ref: Reference = { id: anId(), leaseToken: 0 },
  change: Partial<Claimed> & Partial<Lane> = {},
): Claimed {
  return {
    id: ref.id,
    tenant: 'default',
    correlationId: 'correlation-1',
    channel: 'SMS',
    priority: 'NORMAL',
    recipient: '+15550000001',
    content: 'hello',
    title: null,
    html: null,
    data: null,
    tags: [],
    metadata: null,
    provider: null,
    createdAt: new Date(0),
    traceparent: null,
    generation: 0,
    tried: [],
    unknownOver: [],
    openOverPlain: false,
    dueForMs: 3,
    attempt: 1,
    maxAttempts: 5,
    maxRetries: 5,
    leaseToken: ref.leaseToken + 1,
    waitedMs: 3,
    ...change,
  }
}
