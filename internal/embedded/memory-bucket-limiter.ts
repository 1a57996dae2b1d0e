import { randomUUID } from 'node:crypto'
import type { ConnectionId } from '../domain/connection.ts'
import { takeAllPermits } from '../domain/gcra.ts'
import {
  type BucketGrant,
  type BucketLimiter,
  type BucketRequest,
  type BucketSlot,
  type BucketUse,
  bucketName,
  bucketRule,
  slotLookAgainMs,
} from '../port/bucket-limiter.ts'
import type { Clock } from '../port/clock.ts'
import type { Bucket } from '../port/outlet.ts'

/** What a bucket that refuses nothing would be after this take. */
interface Wish {
  readonly waitMs: number
  readonly scope: 'connection' | 'recipient'
  readonly take: () => void
}

/** So many buckets are looked through for such as mean nothing any more. */
const sweepAboveMin = 10_000

/** Buckets of a single process. They start full after a restart: at most one extra burst. */
export class MemoryBucketLimiter implements BucketLimiter {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #tatUsByKey = new Map<string, number>()
  #sweepAbove = sweepAboveMin
  /** Sends under way, each with the time at which its place is free at the latest. */
  readonly #slotsByConnection = new Map<ConnectionId, Map<string, number>>()

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  take(request: BucketRequest): Promise<BucketGrant> {
    const id = request.buckets.some(({ kind }) => kind === 'concurrency') ? randomUUID() : null
    const wishes = request.buckets.map((bucket, index) => this.#wish(request, bucket, index, id))
    const longest = wishes.reduce<Wish | null>((a, b) => (a === null || b.waitMs > a.waitMs ? b : a), null)
    if (longest !== null && longest.waitMs > 0) {
      const { scope } = longest
      return Promise.resolve({ kind: 'refused', waitMs: Math.ceil(longest.waitMs), scope, degraded: false })
    }
    for (const wish of wishes) wish.take()
    return Promise.resolve({ kind: 'granted', slot: id === null ? null : { connection: request.connection, id } })
  }

  giveBack({ connection, id }: BucketSlot): void {
    this.#slotsByConnection.get(connection)?.delete(id)
  }

  use(connection: ConnectionId, buckets: readonly Bucket[]): Promise<readonly BucketUse[]> {
    return Promise.resolve(buckets.map((bucket, index) => this.#useOf(connection, bucket, index)))
  }

  #useOf(connection: ConnectionId, bucket: Bucket, index: number): BucketUse {
    if (bucket.kind === 'concurrency') {
      const inUse = this.#slots(connection).size
      return { inUse, nextInMs: inUse < bucket.limit ? 0 : slotLookAgainMs }
    }
    if (bucket.scope === 'recipient') return { inUse: null, nextInMs: null }
    const rule = bucketRule(bucket)
    const nowUs = this.#nowUs()
    const tatUs = this.#tatUsByKey.get(keyOf(connection, bucket, index, null)) ?? null
    const usedUs = Math.max(0, (tatUs ?? nowUs) - nowUs)
    const { waitUs } = takeAllPermits(rule, tatUs, nowUs, 1)
    return { inUse: Math.ceil(usedUs / rule.intervalUs), nextInMs: Math.ceil(waitUs / 1_000) }
  }

  #wish(request: BucketRequest, bucket: Bucket, index: number, slot: string | null): Wish {
    const { connection } = request
    if (bucket.kind === 'concurrency') {
      const slots = this.#slots(connection)
      const untilMs = this.#clock.monotonicMs() + request.holdMs
      const waitMs = slots.size < bucket.limit ? 0 : slotLookAgainMs
      return { waitMs, scope: 'connection', take: () => void (slot === null || slots.set(slot, untilMs)) }
    }
    const key = keyOf(connection, bucket, index, request.recipientKey)
    const cost = bucket.cost === 'segments' ? request.segments : 1
    const { waitUs, tatUs } = takeAllPermits(bucketRule(bucket), this.#tatUsByKey.get(key) ?? null, this.#nowUs(), cost)
    return { waitMs: waitUs / 1_000, scope: bucket.scope, take: () => this.#remember(key, tatUs) }
  }

  #remember(key: string, tatUs: number): void {
    this.#tatUsByKey.set(key, tatUs)
    if (this.#tatUsByKey.size < this.#sweepAbove) return
    const nowUs = this.#nowUs()
    for (const [one, untilUs] of this.#tatUsByKey) if (untilUs <= nowUs) this.#tatUsByKey.delete(one)
    this.#sweepAbove = Math.max(sweepAboveMin, 2 * this.#tatUsByKey.size)
  }

  #slots(connection: ConnectionId): Map<string, number> {
    const slots = this.#slotsByConnection.get(connection) ?? new Map<string, number>()
    this.#slotsByConnection.set(connection, slots)
    const nowMs = this.#clock.monotonicMs()
    for (const [id, untilMs] of slots) if (untilMs <= nowMs) slots.delete(id)
    return slots
  }

  #nowUs(): number {
    return Math.floor(this.#clock.monotonicMs() * 1_000)
  }
}

function keyOf(connection: ConnectionId, bucket: Bucket, index: number, recipientKey: string | null): string {
  return `${connection}:${bucketName(bucket, index, recipientKey)}`
}
