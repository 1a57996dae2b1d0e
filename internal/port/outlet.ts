import type { ConnectionId, Route } from '../domain/connection.ts'
import type { Claimed } from './notification-store.ts'

/** How a try over one connection ended, in the terms of connectors. */
export type TryClass =
  | 'accepted'
  | 'transient'
  | 'rate_limited'
  | 'quota_exhausted'
  | 'permanent'
  | 'recipient_invalid'
  | 'opted_out'
  /** The connection is wrong, not the message. */
  | 'config'
  /** Bytes were written and no answer came: it may have arrived. */
  | 'ambiguous'

export interface TryResult {
  readonly class: TryClass
  /** The rule of the connector that decided; null for a default. */
  readonly rule: string | null
  /** Stable, short, lower case with underscores; null only when accepted. */
  readonly code: string | null
  /** For people; never holds a secret, the recipient or content. */
  readonly message: string | null
  readonly statusCode: number | null
  readonly responseExcerpt: string | null
  readonly providerMessageId: string | null
  /** How long the provider asks to wait; null when it did not say. */
  readonly retryAfterMs: number | null
  /** No try over this connection sooner than this; null = none. */
  readonly minDelayMs: number | null
  /** Whom a wait concerns: everything over the connection, or this recipient only. */
  readonly scope: 'connection' | 'recipient'
  /** What the provider told of its limit; null when nothing. */
  readonly throttle: {
    readonly remaining: number | null
    readonly resetAfterMs: number | null
    readonly bucket: string | null
  } | null
}

/** What there is to say of a try of which the provider said nothing. */
export const unansweredTry = {
  rule: null,
  statusCode: null,
  responseExcerpt: null,
  providerMessageId: null,
  retryAfterMs: null,
  minDelayMs: null,
  scope: 'connection',
  throttle: null,
} as const satisfies Partial<TryResult>

/** A limit of a connection that is counted in Redis; `concurrency` counts sends under way. */
export type Bucket =
  | {
      readonly kind: 'rate'
      readonly scope: 'connection' | 'recipient'
      readonly limit: number
      readonly perMs: number
      readonly burst: number
      /** What one message costs: 1, or its SMS segments. */
      readonly cost: 'message' | 'segments'
    }
  | { readonly kind: 'concurrency'; readonly limit: number }

/** What of a message may be too long for a connection. */
export type MessageTexts = Pick<Claimed, 'content' | 'title' | 'html' | 'data'>

/** A limit of a connection that a message breaks, where the connection neither shortens nor splits it. */
export interface BrokenLimit {
  readonly field: 'content' | 'title' | 'html' | 'data' | 'segments' | 'payload'
  readonly limit: number
  /** What is counted: `bytes`, `segments` … */
  readonly unit: string
  readonly measured: number
}

/** A connection that can send: what the connector engine and SMTP have in common. */
export interface Outlet {
  readonly id: ConnectionId
  /** `<connector id>@<version>`: stored with every attempt. */
  readonly connector: string
  /** The receiver drops a repeat under the same key: an unknown outcome may be tried again over this very connection. */
  readonly repeatable: boolean
  readonly buckets: readonly Bucket[]
  /** What the message costs in a bucket that counts segments. */
  segments(message: Claimed): number
  /** What a send would refuse for its length alone; null = nothing. The size of the whole request shows only then. */
  brokenLimit(texts: MessageTexts): BrokenLimit | null
  /** Sends once; never rejects but for a bug. */
  send(message: Claimed, signal: AbortSignal): Promise<TryResult>
  /** Tests without sending; null when it cannot. */
  probe(signal: AbortSignal): Promise<TryResult | null>
}

/** The connections and routes as they are now; changes reach every process within seconds, without a restart. */
export interface Outlets {
  /** The route of a tag the notification carries (the first in its order of tags), else of its channel; null = none. */
  routeFor(message: Pick<Claimed, 'channel' | 'tags'>): Route | null
  /** Null when there is none, or it is disabled or paused. */
  outlet(id: ConnectionId): Outlet | null
}
