import { byChannel, type Channel } from '../domain/notification.ts'
import type { Limit, Limits, RateLimiter } from '../port/rate-limiter.ts'

/** A limiter of this process alone, whose limits can be changed without emptying or filling its buckets. */
export interface LocalRateLimiter extends RateLimiter {
  setLimits(limits: Limits): void
}

/**
 * While the shared counter cannot be reached, each replica sends its share of every limit instead of deferring. Shares
 * add up to the limit when all replicas have lost the counter; each begins with its share of the burst, at least one.
 * One that lost it alone sends its share on top of the others. Until the number of replicas is known nothing is granted.
 */
export class FallbackRateLimiter implements RateLimiter {
  readonly #shared: RateLimiter
  readonly #local: LocalRateLimiter
  readonly #limits: Limits
  #replicas: number | null = null

  constructor(shared: RateLimiter, local: LocalRateLimiter, limits: Limits) {
    this.#shared = shared
    this.#local = local
    this.#limits = limits
  }

  /** @param replicas processes that send, this one included; at least 1 is assumed. */
  shareAmong(replicas: number): void {
    const known = Math.max(1, replicas)
    if (known === this.#replicas) return
    this.#replicas = known
    this.#local.setLimits(shareOf(this.#limits, known))
  }

  async take(...args: Parameters<RateLimiter['take']>): ReturnType<RateLimiter['take']> {
    const permits = await this.#shared.take(...args)
    if (!permits.degraded || this.#replicas === null) return permits
    return { ...(await this.#local.take(...args)), degraded: true }
  }
}

/** 1/n of each limit; a limit that is off (0) stays off. Bursts stay at least 1. */
export function shareOf(limits: Limits, replicas: number): Limits {
  return { send: shareEach(limits.send, replicas), release: shareEach(limits.release, replicas) }
}

function shareEach(of: Readonly<Record<Channel, Limit>>, replicas: number): Readonly<Record<Channel, Limit>> {
  const share = ({ perSecond, burst }: Limit): Limit => ({
    perSecond: perSecond / replicas,
    burst: Math.max(1, Math.floor(burst / replicas)),
  })
  return byChannel((channel) => share(of[channel]))
}
