import { createHash } from 'node:crypto'
import type { Config } from '../../internal/config/config.ts'
import { makeBucketFigures } from '../../internal/dispatch/bucket-figures.ts'
import { ConnectionHealth } from '../../internal/dispatch/connection-health.ts'
import { FallbackBucketLimiter } from '../../internal/dispatch/fallback-bucket-limiter.ts'
import { makeRouter, type Router } from '../../internal/dispatch/router.ts'
import { MemoryBucketLimiter } from '../../internal/embedded/memory-bucket-limiter.ts'
import { MemoryOutletState } from '../../internal/embedded/memory-outlet-state.ts'
import type { Component } from '../../internal/lifecycle/component.ts'
import { makeFailureCounter } from '../../internal/lifecycle/failure-counter.ts'
import { systemClock as clock } from '../../internal/lifecycle/system-clock.ts'
import type { BucketFiguresReader } from '../../internal/port/bucket-figures.ts'
import type { BucketLimiter } from '../../internal/port/bucket-limiter.ts'
import type { ConnectionPauser } from '../../internal/port/connection-pauser.ts'
import type { ConnectionTelemetry } from '../../internal/port/connection-telemetry.ts'
import type { Outlets } from '../../internal/port/outlet.ts'
import type { OutletState } from '../../internal/port/outlet-state.ts'
import type { Logger } from '../../internal/port/telemetry.ts'
import { RedisBucketLimiter } from '../../internal/redis/bucket-limiter.ts'
import { RedisLink } from '../../internal/redis/link.ts'
import { RedisOutletState } from '../../internal/redis/outlet-state.ts'

export interface RoutingInput {
  readonly outlets: Outlets
  readonly pauser: ConnectionPauser
  readonly telemetry: ConnectionTelemetry
  readonly logger: Logger
}

export interface OpenRouting {
  readonly router: Router
  readonly figures: BucketFiguresReader
  /** To be started before the workers and stopped after them. */
  readonly components: readonly Component[]
  /** Tells how many processes share the buckets, for when they have to keep to them without Redis. */
  readonly shareAmong: (replicas: number) => void
}

const breaker = { openMs: 30_000, openMaxMs: 300_000 }

/** The way of each message to a connection, over what all processes know of them. */
export function openRouting(config: Config, { outlets, pauser, telemetry, logger }: RoutingInput): OpenRouting {
  const { concurrencyPerChannel, jobTimeoutMs } = config.worker
  const { buckets, state, ...opened } = openShared(config)
  const health = new ConnectionHealth(
    { state, newFailureCounter: makeFailureCounter, clock, telemetry, logger },
    breaker,
  )
  const router = makeRouter(
    { outlets, buckets, health, pauser, clock, telemetry, logger, random: Math.random, recipientKey },
    // Half of a channel's slots stay free for what need not wait.
    { jobTimeoutMs, retry: config.retry, waitersMax: Math.max(1, Math.floor(concurrencyPerChannel / 2)) },
  )
  return { router, figures: makeBucketFigures({ outlets, buckets, state }), ...opened }
}

interface Shared extends Pick<OpenRouting, 'components' | 'shareAmong'> {
  readonly buckets: BucketLimiter
  readonly state: OutletState
}

function openShared({ redis }: Pick<Config, 'redis'>): Shared {
  const local = new MemoryBucketLimiter(clock)
  if (redis.kind === 'memory') {
    return { buckets: local, state: new MemoryOutletState(clock), components: [], shareAmong: () => undefined }
  }
  const link = new RedisLink(redis.url)
  const buckets = new FallbackBucketLimiter(new RedisBucketLimiter(link), local)
  const shareAmong = (replicas: number) => buckets.shareAmong(replicas)
  return { buckets, state: new RedisOutletState(link), components: [link], shareAmong }
}

/** Who it is cannot be read from Redis. */
function recipientKey(connection: string, recipient: string): string {
  return createHash('sha256').update(`${connection}\n${recipient}`).digest('base64url').slice(0, 22)
}
