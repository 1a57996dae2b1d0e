import type { Config } from '../../internal/config/config.ts'
import { MemoryBroker } from '../../internal/embedded/memory-broker.ts'
import { MemoryRateLimiter } from '../../internal/embedded/memory-rate-limiter.ts'
import type { Component } from '../../internal/lifecycle/component.ts'
import { systemClock } from '../../internal/lifecycle/system-clock.ts'
import type { Broker } from '../../internal/port/broker.ts'
import type { HealthCheck } from '../../internal/port/health.ts'
import type { RateLimiter } from '../../internal/port/rate-limiter.ts'
import type { Logger } from '../../internal/port/telemetry.ts'
import { RabbitBroker } from '../../internal/rabbitmq/broker.ts'
import { RedisRateLimiter } from '../../internal/redis/rate-limiter.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'

/** The only place that picks a technology for a port. Nothing behind it can tell which one it is. */

export function openBroker(config: Config, logger: Logger, telemetry: Metrics): Broker & Component & HealthCheck {
  const deps = { logger, telemetry, clock: systemClock, random: Math.random }
  return config.broker.kind === 'memory' ? new MemoryBroker(deps) : new RabbitBroker({ url: config.broker.url }, deps)
}

export interface OpenLimiter {
  readonly rateLimiter: RateLimiter & HealthCheck
  /** What must be started and stopped for it; nothing when it lives in the process. */
  readonly components: readonly Component[]
}

export function openRateLimiter({ redis, limits }: Config, logger: Logger, telemetry: Metrics): OpenLimiter {
  if (redis.kind === 'memory') {
    telemetry.dependencyUp('redis', true)
    return { rateLimiter: new MemoryRateLimiter(limits, systemClock), components: [] }
  }
  const rateLimiter = new RedisRateLimiter({ url: redis.url, limits }, { clock: systemClock, logger, telemetry })
  return { rateLimiter, components: [rateLimiter] }
}
