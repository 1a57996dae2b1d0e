import type { Attempt } from '../domain/attempt.ts'
import type { Notification } from '../domain/notification.ts'
import { countSmsSegments } from '../domain/sms-segments.ts'

/** The resource as clients read it. Fields without a value are undefined here, and so left out of the JSON. */
export function toResource(n: Notification) {
  return {
    id: n.id,
    correlationId: n.correlationId,
    idempotencyKey: n.idempotencyKey ?? undefined,
    batchId: n.batchId ?? undefined,
    channel: n.channel,
    priority: n.priority,
    recipient: n.recipient,
    content: n.content,
    title: n.title ?? undefined,
    html: n.html ?? undefined,
    data: n.data ?? undefined,
    segments: n.channel === 'SMS' ? countSmsSegments(n.content) : undefined,
    provider: n.provider ?? undefined,
    status: n.status,
    providerMessageId: n.providerMessageId ?? undefined,
    attemptCount: n.attemptCount,
    maxRetries: n.maxRetries,
    generation: n.generation,
    outcomeUnknown: n.outcomeUnknown,
    scheduledAt: n.scheduledAt?.toISOString(),
    nextRetryAt: n.nextRetryAt?.toISOString(),
    expiresAt: n.expiresAt.toISOString(),
    createdAt: n.createdAt.toISOString(),
    updatedAt: n.updatedAt.toISOString(),
    tags: n.tags.length > 0 ? n.tags : undefined,
    metadata: n.metadata ?? undefined,
    lastError: n.lastError ?? undefined,
  }
}

export function toAttempt(a: Attempt) {
  return {
    number: a.number,
    generation: a.generation,
    provider: a.provider ?? undefined,
    connection: a.connection ?? undefined,
    connector: a.connector ?? undefined,
    rule: a.rule ?? undefined,
    outcome: a.outcome,
    late: a.late,
    statusCode: a.statusCode ?? undefined,
    error: a.error ?? undefined,
    responseExcerpt: a.responseExcerpt ?? undefined,
    durationMs: a.durationMs ?? undefined,
    startedAt: a.startedAt?.toISOString(),
    finishedAt: a.finishedAt.toISOString(),
    nextRetryAt: a.nextRetryAt?.toISOString(),
  }
}
