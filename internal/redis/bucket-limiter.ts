import { randomUUID } from 'node:crypto'
import type { ConnectionId } from '../domain/connection.ts'
import { DependencyUnavailableError, messageOf } from '../domain/errors.ts'
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
import type { Bucket } from '../port/outlet.ts'
import type { RedisLink } from './link.ts'
import { readNumbers } from './numbers.ts'
import { degradedRetryAfterMs } from './rate-limiter.ts'

/** Buckets that all processes share. While Redis is slow or away nothing is granted. */
export class RedisBucketLimiter implements BucketLimiter {
  readonly #link: RedisLink
  readonly #keyPrefix: string

  /** @param keyPrefix put before every key, to keep engines that share a Redis apart. */
  constructor(link: RedisLink, keyPrefix = '') {
    this.#link = link
    this.#keyPrefix = keyPrefix
  }

  async take(request: BucketRequest): Promise<BucketGrant> {
    const { connection, buckets } = request
    const id = randomUUID()
    const keys = buckets.map((bucket, index) => this.#key(connection, bucket, index, request.recipientKey))
    const wishes = buckets.flatMap((bucket) => wishOf(bucket, request))
    try {
      const reply = await this.#link.ask((redis) => redis.takeBuckets(keys.length, ...keys, id, ...wishes))
      const [waitUs = 0, slowest = 0] = readNumbers(reply, 2)
      if (waitUs > 0) return refused(waitUs, buckets[slowest - 1])
      const hasSlot = buckets.some(({ kind }) => kind === 'concurrency')
      return { kind: 'granted', slot: hasSlot ? { connection, id } : null }
    } catch {
      return { kind: 'refused', waitMs: degradedRetryAfterMs, scope: 'connection', degraded: true }
    }
  }

  giveBack({ connection, id }: BucketSlot): void {
    this.#link.tell((redis) => redis.zrem(`${this.#keyPrefix}{c:${connection}}:slots`, id))
  }

  async use(connection: ConnectionId, buckets: readonly Bucket[]): Promise<readonly BucketUse[]> {
    const keys = buckets.map((bucket, index) => this.#key(connection, bucket, index, null))
    const kinds = buckets.map(({ kind }) => (kind === 'rate' ? 'rate' : 'slots'))
    try {
      const reply = await this.#link.ask((redis) => redis.lookAtBuckets(keys.length, ...keys, ...kinds))
      const found = readNumbers(reply, buckets.length)
      return buckets.map((bucket, index) => useOf(bucket, found[index] ?? 0))
    } catch (error) {
      throw new DependencyUnavailableError('redis', messageOf(error), { cause: error })
    }
  }

  #key(connection: ConnectionId, bucket: Bucket, index: number, recipientKey: string | null): string {
    return `${this.#keyPrefix}{c:${connection}}:${bucketName(bucket, index, recipientKey)}`
  }
}

function wishOf(bucket: Bucket, { segments, holdMs }: BucketRequest): readonly (string | number)[] {
  if (bucket.kind === 'concurrency') return ['slots', bucket.limit, Math.ceil(holdMs), 0]
  const { intervalUs, burst } = bucketRule(bucket)
  return ['rate', intervalUs, burst, bucket.cost === 'segments' ? segments : 1]
}

function refused(waitUs: number, slowest: Bucket | undefined): BucketGrant {
  const scope = slowest?.kind === 'rate' ? slowest.scope : 'connection'
  return { kind: 'refused', waitMs: Math.max(1, Math.ceil(waitUs / 1_000)), scope, degraded: false }
}

/** @param found µs that a rate is ahead of now, or places in use. */
function useOf(bucket: Bucket, found: number): BucketUse {
  if (bucket.kind === 'concurrency') return { inUse: found, nextInMs: found < bucket.limit ? 0 : slotLookAgainMs }
  if (bucket.scope === 'recipient') return { inUse: null, nextInMs: null }
  const rule = bucketRule(bucket)
  const { waitUs } = takeAllPermits(rule, found, 0, 1)
  return { inUse: Math.ceil(found / rule.intervalUs), nextInMs: Math.ceil(waitUs / 1_000) }
}
