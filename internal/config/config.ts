import type { FailpointRule } from '../domain/failpoint.ts'
import type { Channel } from '../domain/notification.ts'
import type { RetryPolicy } from '../domain/retry-policy.ts'
import type { ConnectionsConfig } from './fields-connections.ts'
import type { PortRange } from './parsers.ts'
import type { Role } from './roles.ts'
import type { BrokerTarget, RedisTarget } from './urls.ts'

/** How fast one channel may send; the shape the rate limiter takes. */
export interface ChannelLimit {
  /** Permits per second; 0 = off. */
  readonly perSecond: number
  /** Permits that may be granted at once, >= 1. */
  readonly burst: number
}

export type ChannelLimits = Readonly<Record<Channel, ChannelLimit>>

export type DatabaseConfig = (
  | { readonly kind: 'embedded' /** null: the engine finds a folder itself. */; readonly dataDir: string | null }
  | { readonly kind: 'external' /** Always a `postgres://` URL. */; readonly url: string }
) & {
  readonly schema: string
  readonly migrationsTable: string
  readonly poolMax: number
  readonly migrateOnStart: boolean
}

/** Every setting of a process, checked. A Config that exists is complete: no part has to ask whether it is. */
export interface Config {
  readonly database: DatabaseConfig
  readonly broker: BrokerTarget
  readonly redis: RedisTarget
  /** null = the built-in sink. */
  readonly webhookUrl: string | null
  /** In the order api, worker, scheduler; at least one. */
  readonly roles: readonly Role[]
  readonly http: {
    readonly host: string
    /** 0 = any free port. */
    readonly port: number
    readonly apiKey: string | null
    /** Origins, or `*`; empty = closed. */
    readonly corsOrigins: readonly string[]
  }
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal'
    /** auto: pretty on a terminal, else json. */
    readonly format: 'auto' | 'json' | 'pretty'
  }
  readonly limits: { readonly send: ChannelLimits; readonly release: ChannelLimits }
  readonly worker: {
    /** Sends under way at once, for each channel on its own; 1 to 1000. */
    readonly concurrencyPerChannel: number
    /** An idle worker takes what its own process accepted without the broker. */
    readonly shortcut: boolean
    /** Whole time of one attempt. */
    readonly jobTimeoutMs: number
  }
  readonly connections: ConnectionsConfig
  /** Where targets may lie; see the settings of the same names. */
  readonly egress: {
    readonly allowNets: readonly string[]
    readonly denyNets: readonly string[]
    readonly ports: readonly PortRange[]
    readonly plainHttp: boolean
    readonly proxyUrl: string | null
  }
  readonly scan: {
    readonly intervalMs: number
    /** Rows per lane and pass. */
    readonly limit: number
  }
  readonly retry: RetryPolicy & {
    /** Attempt budget of a request that brings none. */
    readonly maxRetries: number
  }
  /** 0 = for ever. */
  readonly idempotencyTtlSeconds: number
  readonly notificationTtlMs: number
  readonly leaseMs: number
  readonly brokerConsumerTimeoutMs: number
  readonly shutdownTimeoutMs: number
  readonly startupTimeoutMs: number
  readonly production: boolean
  /** Null = none, as everywhere but in tests. */
  readonly failpoints: {
    readonly rules: readonly FailpointRule[] /** null = any. */
    readonly seed: number | null
  } | null
  /** For the log at start; no secrets in it. */
  readonly warnings: readonly string[]
}
