import type { Config } from '../../internal/config/config.ts'
import { withFallback } from '../../internal/dispatch/fallback-broker.ts'
import { FallbackRateLimiter } from '../../internal/dispatch/fallback-rate-limiter.ts'
import { MemoryBroker } from '../../internal/embedded/memory-broker.ts'
import { MemoryRateLimiter } from '../../internal/embedded/memory-rate-limiter.ts'
import type { Component } from '../../internal/lifecycle/component.ts'
import { systemClock as clock } from '../../internal/lifecycle/system-clock.ts'
import type { Broker } from '../../internal/port/broker.ts'
import type { HealthCheck } from '../../internal/port/health.ts'
import type { RateLimiter } from '../../internal/port/rate-limiter.ts'
import type { Logger } from '../../internal/port/telemetry.ts'
import { RabbitBroker } from '../../internal/rabbitmq/broker.ts'
import { RedisRateLimiter } from '../../internal/redis/rate-limiter.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'

/** The only place that picks a technology for a port. Nothing behind it can tell which one it is. */

interface Opened {
  readonly check: HealthCheck
  /** What must be started and stopped for it; nothing when it lives in the process. */
  readonly components: readonly Component[]
}

export interface OpenBroker extends Opened {
  readonly broker: Broker
}

/** Envelopes per lane that wait inside the process while RabbitMQ is away; the rest waits in PostgreSQL. */
const localQueueMax = 200

export function openBroker(config: Config, logger: Logger, telemetry: Metrics): OpenBroker {
  if (config.broker.kind === 'memory') {
    const broker = new MemoryBroker({ logger, telemetry, clock })
    return { broker, check: broker, components: [broker] }
  }
  const rabbit = new RabbitBroker({ url: config.broker.url }, { logger, telemetry, clock, random: Math.random })
  const untold = {
    dependencyUp: () => undefined,
    consumersActive: () => undefined,
    publishUnconfirmed: () => undefined,
  }
  const local = new MemoryBroker({ logger, telemetry: untold, clock }, { maxQueuedPerLane: localQueueMax })
  return { broker: withFallback(rabbit, local), check: rabbit, components: [local, rabbit] }
}

export interface OpenLimiter extends Opened {
  readonly rateLimiter: RateLimiter
  /** Tells how many processes share the limits, for when they have to keep to them without Redis. */
  readonly shareAmong: (replicas: number) => void
}

export function openRateLimiter({ redis, limits }: Config, logger: Logger, telemetry: Metrics): OpenLimiter {
  const local = new MemoryRateLimiter(limits, clock)
  if (redis.kind === 'memory') {
    telemetry.dependencyUp('redis', true)
    return { rateLimiter: local, check: local, components: [], shareAmong: () => undefined }
  }
  const shared = new RedisRateLimiter({ url: redis.url, limits }, { clock, logger, telemetry })
  const rateLimiter = new FallbackRateLimiter(shared, local, limits)
  const shareAmong = (replicas: number) => rateLimiter.shareAmong(replicas)
  return { rateLimiter, check: shared, components: [shared], shareAmong }
}
