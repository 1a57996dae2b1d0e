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
import { type Asking, BucketTakes } from './bucket-takes.ts'
import type { RedisLink } from './link.ts'
import { readNumbers } from './numbers.ts'
import { degradedRetryAfterMs } from './rate-limiter.ts'

/** Most sends of one call: it holds up everybody else at the server while it runs. */
const togetherMax = 250

/** Buckets that all processes share. While Redis is slow or away nothing is granted. */
export class RedisBucketLimiter implements BucketLimiter {
  readonly #link: RedisLink
  readonly #keyPrefix: string
  readonly #asking = new Map<ConnectionId, Asking[]>()
  readonly #leaving = new Map<ConnectionId, string[]>()

  /** @param keyPrefix put before every key, to keep engines that share a Redis apart. */
  constructor(link: RedisLink, keyPrefix = '') {
    this.#link = link
    this.#keyPrefix = keyPrefix
  }

  /** All that ask in one turn of the event loop ask together: a claimed batch costs one round trip, not one a message. */
  take(request: BucketRequest): Promise<BucketGrant> {
    return new Promise((resolve) => {
      this.#soon(this.#asking, request.connection, { request, resolve })
    })
  }

  giveBack({ connection, id }: BucketSlot): void {
    this.#soon(this.#leaving, connection, id)
  }

  #soon<T>(all: Map<ConnectionId, T[]>, connection: ConnectionId, one: T): void {
    if (this.#asking.size + this.#leaving.size === 0) process.nextTick(() => this.#flush())
    const list = all.get(connection) ?? []
    if (list.push(one) === 1) all.set(connection, list)
    else if (list.length === togetherMax) this.#flush()
  }

  #flush(): void {
    const [leaving, asking] = [[...this.#leaving], [...this.#asking]]
    this.#leaving.clear()
    this.#asking.clear()
    for (const [connection, ids] of leaving) {
      this.#link.tell((redis) => redis.zrem(this.#key(connection, 'slots'), ...ids))
    }
    for (const [connection, all] of asking) void this.#takeTogether(connection, all)
  }

  async #takeTogether(connection: ConnectionId, asking: readonly Asking[]): Promise<void> {
    const takes = new BucketTakes(asking, (name) => this.#key(connection, name))
    try {
      const reply = await this.#link.ask((redis) => redis.takeBuckets(takes.keys.length, ...takes.keys, ...takes.args))
      takes.settle(readNumbers(reply, takes.answers))
    } catch {
      for (const { resolve } of asking) resolve(unreachable)
    }
  }

  async use(connection: ConnectionId, buckets: readonly Bucket[]): Promise<readonly BucketUse[]> {
    const keys = buckets.map((bucket, index) => this.#key(connection, bucketName(bucket, index, null)))
    const kinds = buckets.map(({ kind }) => (kind === 'rate' ? 'rate' : 'slots'))
    try {
      const reply = await this.#link.ask((redis) => redis.lookAtBuckets(keys.length, ...keys, ...kinds))
      const found = readNumbers(reply, buckets.length)
      return buckets.map((bucket, index) => useOf(bucket, found[index] ?? 0))
    } catch (error) {
      throw new DependencyUnavailableError('redis', messageOf(error), { cause: error })
    }
  }

  #key(connection: ConnectionId, name: string): string {
    return `${this.#keyPrefix}{c:${connection}}:${name}`
  }
}

const unreachable = { kind: 'refused', waitMs: degradedRetryAfterMs, scope: 'connection', degraded: true } as const

/** @param found µs that a rate is ahead of now, or places in use. */
function useOf(bucket: Bucket, found: number): BucketUse {
  if (bucket.kind === 'concurrency') return { inUse: found, nextInMs: found < bucket.limit ? 0 : slotLookAgainMs }
  if (bucket.scope === 'recipient') return { inUse: null, nextInMs: null }
  const rule = bucketRule(bucket)
  const { waitUs } = takeAllPermits(rule, found, 0, 1)
  return { inUse: Math.ceil(found / rule.intervalUs), nextInMs: Math.ceil(waitUs / 1_000) }
}
