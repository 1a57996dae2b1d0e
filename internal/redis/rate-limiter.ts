import type { Redis } from 'ioredis'
import { DependencyUnavailableError, messageOf } from '../domain/errors.ts'
import { type GcraRule, gcraRule } from '../domain/gcra.ts'
import type { Channel } from '../domain/notification.ts'
import type { Component } from '../lifecycle/component.ts'
import { makePoller } from '../lifecycle/poller.ts'
import type { Clock } from '../port/clock.ts'
import type { HealthCheck } from '../port/health.ts'
import type { Limits, PermitPurpose, Permits, RateLimiter } from '../port/rate-limiter.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { answerWithinMs, makeRedis, within } from './client.ts'
import { definePermits, readPermits } from './permits.ts'

/**
 * What a caller is told to wait while Redis is away: above the second that callers wait in place, so that they put
 * the work back instead of holding it, and short enough that sends go on within two seconds of the return.
 */
export const degradedRetryAfterMs = 1_500
const probeIntervalMs = 1_000
const probeRule: GcraRule = { intervalUs: 1_000, burst: 1_000 }

export interface RedisRateLimiterOptions {
  /** `redis://` or `rediss://`. */
  readonly url: string
  readonly limits: Limits
  /** Put before every key, to keep engines that share a Redis apart; default none. */
  readonly keyPrefix?: string
}

export interface RedisRateLimiterDeps {
  readonly clock: Pick<Clock, 'sleep'>
  readonly logger: Logger
  readonly telemetry: Pick<Telemetry, 'limiterDegraded' | 'dependencyUp'>
}

/**
 * Permits that all replicas share. While Redis is slow or away nothing is granted (providers ban those who send
 * without pace) and callers are told to come back; it goes on by itself once Redis answers again.
 */
export class RedisRateLimiter implements RateLimiter, Component, HealthCheck {
  readonly name = 'redis'
  readonly #redis: Redis
  readonly #limits: Limits
  readonly #keyPrefix: string
  readonly #logger: Logger
  readonly #telemetry: RedisRateLimiterDeps['telemetry']
  readonly #prober: Component
  /** Null until something was heard of Redis, good or bad. */
  #up: boolean | null = null
  #stopping = false
  #firstConnect: Promise<void> = Promise.resolve()

  constructor(options: RedisRateLimiterOptions, deps: RedisRateLimiterDeps) {
    this.#limits = options.limits
    this.#keyPrefix = options.keyPrefix ?? ''
    this.#logger = deps.logger
    this.#telemetry = deps.telemetry
    this.#redis = makeRedis(options.url)
    definePermits(this.#redis)
    this.#redis.on('error', (error: unknown) => this.#lost(messageOf(error)))
    this.#redis.on('close', () => this.#lost('connection closed'))
    // Runs when nobody takes as well, so that loss and return are noticed without traffic; what it throws is noted.
    const tick = () => (this.#redis.status === 'ready' ? this.#probe() : Promise.resolve())
    this.#prober = makePoller('redis probe', probeIntervalMs, deps.clock, tick, () => undefined)
  }

  /** Does not wait for Redis: the process serves without it, and sends begin when it comes. */
  async start(): Promise<void> {
    this.#firstConnect = this.#redis.connect().catch((error: unknown) => this.#lost(messageOf(error)))
    await this.#prober.start()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#prober.stop()
    this.#redis.disconnect()
  }

  async take(purpose: PermitPurpose, channel: Channel, wanted: number): Promise<Permits> {
    const limit = this.#limits[purpose][channel]
    if (!(limit.perSecond > 0)) return { granted: wanted, retryAfterMs: 0, degraded: false }
    try {
      const key = `${this.#keyPrefix}{rl:${channel.toLowerCase()}}:${purpose}`
      const permits = await within(answerWithinMs, this.#ask(key, gcraRule(limit), wanted))
      if (this.#up === null) this.#found()
      return permits
    } catch (error) {
      this.#lost(messageOf(error))
      return { granted: 0, retryAfterMs: degradedRetryAfterMs, degraded: true }
    }
  }

  /**
   * Runs the permit script on a bucket of its own: a Redis that answers a ping but is read-only or full is not well.
   * @throws DependencyUnavailableError within 200 ms.
   */
  async check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await this.#probe()
  }

  async #ask(key: string, rule: GcraRule, wanted: number): Promise<Permits> {
    await this.#firstConnect // only the first moments of a process wait here
    const reply = readPermits(await this.#redis.takePermits(key, rule.intervalUs, rule.burst, wanted))
    return { granted: reply.granted, retryAfterMs: Math.ceil(reply.retryAfterUs / 1_000), degraded: false }
  }

  async #probe(): Promise<void> {
    try {
      await within(answerWithinMs, this.#ask(`${this.#keyPrefix}{rl:probe}:check`, probeRule, 1))
    } catch (error) {
      this.#lost(messageOf(error))
      throw new DependencyUnavailableError('redis', messageOf(error), { cause: error })
    }
    this.#found()
  }

  /** Said by probes only (but for the first word), so that a Redis that wavers fills no log: at most once a second. */
  #found(): void {
    if (this.#up === true || this.#stopping) return
    this.#up = true
    this.#telemetry.limiterDegraded(false)
    this.#telemetry.dependencyUp('redis', true)
    this.#logger.info('redis answers: permits are granted')
  }

  #lost(reason: string): void {
    if (this.#up === false || this.#stopping) return
    this.#up = false
    this.#telemetry.limiterDegraded(true)
    this.#telemetry.dependencyUp('redis', false)
    this.#logger.warn('redis does not answer: each process keeps to its share of the limits', { reason })
  }
}
