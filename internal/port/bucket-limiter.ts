import type { ConnectionId } from '../domain/connection.ts'
import { type GcraRule, gcraRule } from '../domain/gcra.ts'
import type { Bucket } from './outlet.ts'

/** What one send needs of its connection's buckets. */
export interface BucketRequest {
  readonly connection: ConnectionId
  readonly buckets: readonly Bucket[]
  /** Whom the buckets of scope `recipient` count, as a key that does not show the recipient; null when there are none. */
  readonly recipientKey: string | null
  /** Cost in buckets that count segments, >= 1. */
  readonly segments: number
  /** A slot that is not given back within this time is free again: its process died. */
  readonly holdMs: number
}

/** A place among the sends under way. */
export interface BucketSlot {
  readonly connection: ConnectionId
  readonly id: string
}

export type BucketGrant =
  /** `slot` is to be given back after the send; null without a bucket that counts sends under way. */
  | { readonly kind: 'granted'; readonly slot: BucketSlot | null }
  | {
      readonly kind: 'refused'
      /** Milliseconds until it is worth asking again, >= 1. */
      readonly waitMs: number
      /** Which kind of bucket makes it wait the longest: everything over the connection waits, or this recipient's. */
      readonly scope: 'connection' | 'recipient'
      /** The shared counters could not be reached. */
      readonly degraded: boolean
    }

/** How full a bucket is. */
export interface BucketUse {
  /** Of a rate: used up of its burst; of a concurrency: sends under way; null for a bucket per recipient. */
  readonly inUse: number | null
  /** Milliseconds until the next message may go; null for a bucket per recipient. */
  readonly nextInMs: number | null
}

/** The buckets of connections, shared by all processes. */
export interface BucketLimiter {
  /**
   * Takes what one send needs out of all its buckets, or nothing out of any. In every window of T, a rate grants at most
   * limit × T / per + burst (a message that costs more than the burst waits for the full bucket and pays the rest
   * afterwards). Answers within 200 ms even when the shared counters cannot be reached. Never rejects.
   */
  take(request: BucketRequest): Promise<BucketGrant>
  /** Frees the slot; nobody waits for it, and a slot whose message is lost frees itself. */
  giveBack(slot: BucketSlot): void
  /**
   * How full each of these buckets is, in the order given; takes nothing.
   * @throws DependencyUnavailableError when the shared counters cannot be reached.
   */
  use(connection: ConnectionId, buckets: readonly Bucket[]): Promise<readonly BucketUse[]>
}

/** What a refused caller is told to wait for a place among the sends under way: nobody knows when one ends. */
export const slotLookAgainMs = 100

/** Of a bucket among those of its connection; its time is part of it, so that another limit begins anew. */
export function bucketName(bucket: Bucket, index: number, recipientKey: string | null): string {
  if (bucket.kind === 'concurrency') return 'slots'
  const name = `${index}:${bucket.perMs}`
  return bucket.scope === 'recipient' ? `${name}:${recipientKey ?? ''}` : name
}

export function bucketRule({ limit, perMs, burst }: Bucket & { readonly kind: 'rate' }): GcraRule {
  return gcraRule({ perSecond: (limit * 1_000) / perMs, burst })
}
