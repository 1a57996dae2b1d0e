import type { BucketGrant, BucketLimiter, BucketRequest, BucketSlot } from '../port/bucket-limiter.ts'
import type { Bucket } from '../port/outlet.ts'

/**
 * While the shared counters cannot be reached, each replica sends its share of every bucket, at least one at once. As
 * with the limits of channels: shares add up to the limit when all have lost the counters, and until the number of
 * replicas is known nothing is granted.
 */
export class FallbackBucketLimiter implements BucketLimiter {
  readonly #shared: BucketLimiter
  readonly #local: BucketLimiter
  #replicas: number | null = null

  /** @param local counts in this process alone. */
  constructor(shared: BucketLimiter, local: BucketLimiter) {
    this.#shared = shared
    this.#local = local
  }

  /** @param replicas processes that send, this one included; at least 1 is assumed. */
  shareAmong(replicas: number): void {
    this.#replicas = Math.max(1, replicas)
  }

  async take(request: BucketRequest): Promise<BucketGrant> {
    const grant = await this.#shared.take(request)
    const replicas = this.#replicas
    if (grant.kind === 'granted' || !grant.degraded || replicas === null) return grant
    const buckets = request.buckets.map((bucket) => shareOf(bucket, replicas))
    const own = await this.#local.take({ ...request, buckets })
    return own.kind === 'granted' ? own : { ...own, degraded: true }
  }

  giveBack(slot: BucketSlot): void {
    this.#shared.giveBack(slot)
    this.#local.giveBack(slot)
  }

  use(...args: Parameters<BucketLimiter['use']>): ReturnType<BucketLimiter['use']> {
    return this.#shared.use(...args)
  }
}

/** 1/n of it; a recipient's bucket too, since any process may send to them. */
function shareOf(bucket: Bucket, replicas: number): Bucket {
  if (bucket.kind === 'concurrency') return { ...bucket, limit: Math.max(1, Math.floor(bucket.limit / replicas)) }
  return { ...bucket, limit: bucket.limit / replicas, burst: Math.max(1, Math.floor(bucket.burst / replicas)) }
}
