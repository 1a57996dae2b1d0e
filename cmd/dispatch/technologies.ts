import type { Config } from '../../internal/config/config.ts'
import type { Degradation } from '../../internal/dispatch/degradation.ts'
import { withFallback } from '../../internal/dispatch/fallback-broker.ts'
import { FallbackRateLimiter } from '../../internal/dispatch/fallback-rate-limiter.ts'
import { MemoryBroker } from '../../internal/embedded/memory-broker.ts'
import { MemoryRateLimiter } from '../../internal/embedded/memory-rate-limiter.ts'
import { NoParkedMessages } from '../../internal/embedded/no-parked-messages.ts'
import type { Component } from '../../internal/lifecycle/component.ts'
import { systemClock as clock } from '../../internal/lifecycle/system-clock.ts'
import type { Broker, Reference } from '../../internal/port/broker.ts'
import type { HealthCheck } from '../../internal/port/health.ts'
import type { ParkedMessages } from '../../internal/port/parked.ts'
import type { RateLimiter } from '../../internal/port/rate-limiter.ts'
import type { Logger, Telemetry } from '../../internal/port/telemetry.ts'
import { RabbitBroker } from '../../internal/rabbitmq/broker.ts'
import { RedisRateLimiter } from '../../internal/redis/rate-limiter.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import type { Breaking } from './failpoints.ts'

/** The only place that picks a technology for a port. Nothing behind it can tell which one it is. */

interface Opened {
  readonly check: HealthCheck
  /** What must be started and stopped for it; nothing when it lives in the process. */
  readonly components: readonly Component[]
}

/** What both sides of the process say about themselves while they are opened. */
export interface Observers {
  readonly logger: Logger
  readonly telemetry: Metrics
  readonly degradation: Degradation
}

export interface OpenBroker extends Opened {
  readonly broker: Broker
  readonly parked: ParkedMessages
}

/** Envelopes per lane that wait inside the process while RabbitMQ is away; the rest waits in PostgreSQL. */
const localQueueMax = 200

/**
 * @param handBack makes rows due now whose references would be lost with a stop: until RabbitMQ is connected after a
 *   start, and while it is away, they wait in this process. The built-in broker needs it not: no other process could
 *   take the rows up, and the next one does so when it starts.
 */
export function openBroker(
  config: Config,
  observers: Observers,
  breaking: Breaking,
  handBack: (refs: readonly Reference[]) => Promise<void>,
): OpenBroker {
  const { logger, telemetry } = observers
  if (config.broker.kind === 'memory') {
    const memory = new MemoryBroker({ logger, telemetry, clock })
    const broker = breaking.consume(breaking.publish(memory))
    return { broker, parked: new NoParkedMessages(), check: memory, components: [memory] }
  }
  const deps = { logger, telemetry: tellingBroker(observers), clock, random: Math.random }
  const rabbit = new RabbitBroker({ url: config.broker.url }, deps)
  const local = new MemoryBroker(
    { logger, telemetry: localTelemetry(telemetry), clock },
    { maxQueuedPerLane: localQueueMax, handBack },
  )
  const broker = breaking.consume(withFallback(breaking.publish(rabbit), local))
  return { broker, parked: rabbit.parked, check: rabbit, components: [local, rabbit] }
}

function tellingBroker({
  telemetry,
  degradation,
}: Observers): ConstructorParameters<typeof RabbitBroker>[1]['telemetry'] {
  return {
    dependencyUp(name, up) {
      telemetry.dependencyUp(name, up)
      degradation.set('rabbitmq', !up)
    },
    consumersActive: (count) => telemetry.consumersActive(count),
    publishUnconfirmed: (count) => telemetry.publishUnconfirmed(count),
    parked: (count) => telemetry.parked(count),
    bound: (name, state) => telemetry.bound(name, state),
    refused: (name, count) => telemetry.refused(name, count),
  }
}

/** The stand-in is no dependency, and what it refuses is counted where it came from. */
function localTelemetry(telemetry: Pick<Telemetry, 'bound' | 'refused'>) {
  return {
    dependencyUp: () => undefined,
    consumersActive: () => undefined,
    publishUnconfirmed: () => undefined,
    bound: telemetry.bound.bind(telemetry),
    refused: telemetry.refused.bind(telemetry),
  }
}

export interface OpenLimiter extends Opened {
  readonly rateLimiter: RateLimiter
  /** Tells how many processes share the limits, for when they have to keep to them without Redis. */
  readonly shareAmong: (replicas: number) => void
}

export function openRateLimiter({ redis, limits }: Config, { logger, telemetry, degradation }: Observers): OpenLimiter {
  const local = new MemoryRateLimiter(limits, clock)
  if (redis.kind === 'memory') {
    telemetry.dependencyUp('redis', true)
    return { rateLimiter: local, check: local, components: [], shareAmong: () => undefined }
  }
  const telling = {
    dependencyUp: telemetry.dependencyUp.bind(telemetry),
    limiterDegraded(degraded: boolean) {
      telemetry.limiterDegraded(degraded)
      degradation.set('redis', degraded)
    },
  }
  const shared = new RedisRateLimiter({ url: redis.url, limits }, { clock, logger, telemetry: telling })
  const rateLimiter = new FallbackRateLimiter(shared, local, limits)
  const shareAmong = (replicas: number) => rateLimiter.shareAmong(replicas)
  return { rateLimiter, check: shared, components: [shared], shareAmong }
}
