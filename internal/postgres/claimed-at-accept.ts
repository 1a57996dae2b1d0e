import type { JsonObject, JsonValue, NewNotification } from '../domain/notification.ts'
import type { Claimed } from '../port/notification-store.ts'

/** The claim of a row that was stored with its head start, as a claim of the stored row would have answered it. */
export function claimedAtAccept(item: NewNotification, createdAt: Date): Claimed {
  return {
    id: item.id,
    tenant: item.tenant,
    channel: item.channel,
    priority: item.priority,
    generation: 0,
    attempt: 1,
    maxAttempts: item.maxRetries,
    maxRetries: item.maxRetries,
    leaseToken: 1,
    createdAt,
    correlationId: item.correlationId,
    recipient: item.recipient,
    content: item.content,
    title: item.title,
    html: item.html,
    data: asStored(item.data),
    metadata: asStored(item.metadata),
    tags: item.tags,
    provider: item.provider,
    traceparent: item.traceparent,
    tried: [],
    unknownOver: [],
    openOverPlain: false,
    dueForMs: 0,
    waitedMs: 0,
  }
}

/**
 * With its keys in the order of `jsonb`, shorter ones first, then by their bytes: a retry reads them from the database, and
 * a provider that compares a repeat with the first request must find the same text.
 */
function asStored(value: JsonObject | null): JsonObject | null {
  return value === null ? null : inOrder(value)
}

function inOrder(value: JsonObject): JsonObject {
  const sorted = Object.entries(value)
    .map(([key, held]) => ({ key, bytes: Buffer.from(key), held }))
    .sort((a, b) => a.bytes.length - b.bytes.length || a.bytes.compare(b.bytes))
  return Object.fromEntries(sorted.map(({ key, held }) => [key, anyInOrder(held)]))
}

function anyInOrder(value: JsonValue): JsonValue {
  if (isList(value)) return value.map(anyInOrder)
  return typeof value === 'object' && value !== null ? inOrder(value) : value
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
