/** What a notification is, from the request that creates it to the resource that clients read. */

export const channels = ['SMS', 'EMAIL', 'PUSH'] as const
export type Channel = (typeof channels)[number]

/** In the order in which waiting work is served. */
export const priorities = ['HIGH', 'NORMAL', 'LOW'] as const
export type Priority = (typeof priorities)[number]

export const statuses = ['ACCEPTED', 'QUEUED', 'SENDING', 'SENT', 'FAILED', 'CANCELED'] as const
export type Status = (typeof statuses)[number]

/** Why a row is FAILED. `parked`: the outcome is unknown and the target cannot drop a repeat. */
export const failureReasons = ['permanent_error', 'retry_exhausted', 'expired', 'parked'] as const
export type FailureReason = (typeof failureReasons)[number]

/** UUIDv7: sorts by creation time, so that tables can be partitioned by it. */
export type NotificationId = string

/** One queue: work of one channel and one priority. */
export interface Lane {
  readonly channel: Channel
  readonly priority: Priority
}

export const lanes: readonly Lane[] = channels.flatMap((channel) =>
  priorities.map((priority) => ({ channel, priority })),
)

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** Longest `content` per channel, in Unicode code points (limits of the source system). */
export const contentMax = { SMS: 160, PUSH: 240, EMAIL: 10_000 } as const satisfies Record<Channel, number>
export const recipientMax = 320
export const idempotencyKeyMax = 255
export const correlationIdMax = 128
export const maxRetriesMax = 100
export const batchItemsMax = 1_000
export const tagsMax = 20
export const tagLengthMax = 64
export const metadataBytesMax = 4_096

/** The only tenant until keys carry one; every statement is already scoped by it. */
export const defaultTenant = 'default'

/** A validated request with its id: what `accept` stores. Every retry of the statement sends the same ids. */
export interface NewNotification extends Lane {
  readonly id: NotificationId
  readonly tenant: string
  readonly batchId: string | null
  readonly correlationId: string
  readonly idempotencyKey: string | null
  /** Hex SHA-256 of {@link idempotentBody}; null without a key, since nobody would compare it. */
  readonly bodyHash: string | null
  readonly recipient: string
  readonly content: string
  /** When to send; null or past = now. The database's clock decides which. */
  readonly scheduledAt: Date | null
  /** When to give up; null = the default time to live after the due time. */
  readonly expiresAt: Date | null
  /** Attempt budget of one generation, 1 to {@link maxRetriesMax}. */
  readonly maxRetries: number
  readonly tags: readonly string[]
  readonly metadata: JsonObject | null
  /** W3C trace context of the request, carried on to the provider. */
  readonly traceparent: string | null
}

/** The stored resource, as clients see it. Dates have whole milliseconds. */
export interface Notification extends Lane {
  readonly id: NotificationId
  readonly batchId: string | null
  readonly correlationId: string
  readonly idempotencyKey: string | null
  readonly recipient: string
  readonly content: string
  readonly status: Status
  readonly providerMessageId: string | null
  /** Attempts begun, over all generations; the first try counts. */
  readonly attemptCount: number
  readonly maxRetries: number
  readonly generation: number
  readonly outcomeUnknown: boolean
  readonly scheduledAt: Date | null
  /** Set only between two attempts. */
  readonly nextRetryAt: Date | null
  readonly expiresAt: Date
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly tags: readonly string[]
  readonly metadata: JsonObject | null
  readonly lastError: { readonly code: string; readonly message: string } | null
}

/** What two requests under one idempotency key must agree on. Field order is fixed: the hash depends on it. */
export type IdempotentFields = Pick<
  NewNotification,
  'channel' | 'recipient' | 'content' | 'priority' | 'scheduledAt' | 'maxRetries'
>

/** Canonical text of a request's meaning, after trim and defaults; its hash decides "same body". */
export function idempotentBody(n: IdempotentFields): string {
  return JSON.stringify([
    n.channel,
    n.recipient,
    n.content,
    n.priority,
    n.scheduledAt === null ? null : n.scheduledAt.toISOString(),
    n.maxRetries,
  ])
}
