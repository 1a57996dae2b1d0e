/** What a notification is, from the request that creates it to the resource that clients read. */

export const channels = ['SMS', 'EMAIL', 'PUSH', 'WEBHOOK', 'CHAT', 'INCIDENT'] as const
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

/** One value for each channel. */
export function byChannel<T>(make: (channel: Channel) => T): Readonly<Record<Channel, T>> {
  return {
    SMS: make('SMS'),
    EMAIL: make('EMAIL'),
    PUSH: make('PUSH'),
    WEBHOOK: make('WEBHOOK'),
    CHAT: make('CHAT'),
    INCIDENT: make('INCIDENT'),
  }
}

export const lanes: readonly Lane[] = channels.flatMap((channel) =>
  priorities.map((priority) => ({ channel, priority })),
)

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/**
 * Longest `content` per channel, in Unicode code points. SMS, EMAIL and PUSH: limits of the source system. CHAT: what
 * the strictest chat connectors still carry whole, ten parts of 2,000 UTF-16 units, each cut in its second half, or
 * 28,000 bytes of JSON. INCIDENT: the summary of an alert. WEBHOOK: the receiver is the operator's own.
 */
export const contentMax = {
  SMS: 160,
  EMAIL: 10_000,
  PUSH: 240,
  WEBHOOK: 65_536,
  CHAT: 10_000,
  INCIDENT: 1_024,
} as const satisfies Record<Channel, number>
/**
 * Longest `recipient` per channel, in bytes of UTF-8. It is a key of an index, whose entries PostgreSQL refuses above
 * some 2,700 bytes; tokens of push services are below 1,000.
 */
export const recipientBytesMax = {
  SMS: 320,
  EMAIL: 320,
  PUSH: 2_048,
  WEBHOOK: 2_048,
  CHAT: 2_048,
  INCIDENT: 2_048,
} as const satisfies Record<Channel, number>
export const titleMax = 255
/** Mail readers cut longer ones off (Gmail at 102 kB). */
export const htmlBytesMax = 100_000
/** Longest `data` per channel, in bytes of JSON; null = it takes none. Push services count title and content too. */
export const dataBytesMax = {
  SMS: null,
  EMAIL: null,
  PUSH: 4_096,
  WEBHOOK: 65_536,
  CHAT: 65_536,
  INCIDENT: 65_536,
} as const satisfies Record<Channel, number | null>
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
  readonly title: string | null
  /** The content as HTML, beside the plain one. */
  readonly html: string | null
  /** What the target's own format takes besides the texts. */
  readonly data: JsonObject | null
  /** The one connection that may send it; null = as the routes say. */
  readonly provider: string | null
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
  readonly title: string | null
  readonly html: string | null
  readonly data: JsonObject | null
  readonly provider: string | null
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
  | 'channel'
  | 'recipient'
  | 'content'
  | 'priority'
  | 'scheduledAt'
  | 'maxRetries'
  | 'title'
  | 'html'
  | 'data'
  | 'provider'
>

/**
 * Canonical text of a request's meaning, after trim and defaults; its hash decides "same body". What was added later
 * stands at the end and only where it is set: the hashes of keys that are remembered stay what they were.
 */
export function idempotentBody(n: IdempotentFields): string {
  const laterFields = [n.title, n.html, n.data === null ? null : canonicalJson(n.data), n.provider]
  return JSON.stringify([
    n.channel,
    n.recipient,
    n.content,
    n.priority,
    n.scheduledAt === null ? null : n.scheduledAt.toISOString(),
    n.maxRetries,
    ...(laterFields.every((value) => value === null) ? [] : laterFields),
  ])
}

/** JSON with the keys of every object in order: two objects that say the same have the same text. */
function canonicalJson(value: JsonObject): string {
  return JSON.stringify(value, (_key, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )
}
