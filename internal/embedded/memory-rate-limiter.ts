import { type GcraRule, gcraRule, takePermits } from '../domain/gcra.ts'
import type { Channel } from '../domain/notification.ts'
import type { Clock } from '../port/clock.ts'
import type { HealthCheck } from '../port/health.ts'
import type { Limits, PermitPurpose, Permits, RateLimiter } from '../port/rate-limiter.ts'

/** Permits for a single process. Its buckets start full after a restart: at most one extra burst. */
export class MemoryRateLimiter implements RateLimiter, HealthCheck {
  /** The embedded part answers under the name of what it stands for. */
  readonly name = 'redis'
  #limits: Limits
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #tatUsByBucket = new Map<string, number>()

  constructor(limits: Limits, clock: Pick<Clock, 'monotonicMs'>) {
    this.#limits = limits
    this.#clock = clock
  }

  /** Takes effect with the next take; what the buckets have granted stays counted. */
  setLimits(limits: Limits): void {
    this.#limits = limits
  }

  take(purpose: PermitPurpose, channel: Channel, wanted: number): Promise<Permits> {
    const limit = this.#limits[purpose][channel]
    if (!(limit.perSecond > 0)) return Promise.resolve({ granted: wanted, retryAfterMs: 0, degraded: false })
    return Promise.resolve(this.#takeFrom(`${channel}:${purpose}`, gcraRule(limit), wanted))
  }

  check(): Promise<void> {
    return Promise.resolve()
  }

  #takeFrom(bucket: string, rule: GcraRule, wanted: number): Permits {
    const nowUs = Math.floor(this.#clock.monotonicMs() * 1_000)
    const take = takePermits(rule, this.#tatUsByBucket.get(bucket) ?? null, nowUs, wanted)
    this.#tatUsByBucket.set(bucket, take.tatUs)
    return { granted: take.granted, retryAfterMs: Math.ceil(take.retryAfterUs / 1_000), degraded: false }
  }
}
