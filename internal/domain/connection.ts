import type { Channel, JsonObject } from './notification.ts'

/** Names a connection in routes, attempts and metrics of its own; chosen by the operator: {@link connectionIdPattern}. */
export type ConnectionId = string

export const connectionIdPattern = /^[a-z0-9][a-z0-9-]{0,62}$/
/** Of all in the database; every process holds them in memory. */
export const connectionsMax = 1_000
export const routesMax = 1_000
export const tiersMax = 10
export const tierConnectionsMax = 20
export const weightMax = 1_000
export const tryTimeoutMsMax = 900_000
export const totalTimeoutMsMax = 30 * 86_400_000

/** Why a connection is left out of every route until an operator clears it. */
export interface ConnectionPause {
  /** Stable: `config`, or what an operator gave. */
  readonly code: string
  /** For people: what the provider said, without secrets. */
  readonly reason: string
  readonly since: Date
}

/** A connector with its configuration: one account at one provider. Secrets are not part of it. */
export interface Connection {
  readonly id: ConnectionId
  /** `<connector id>@<version>`. */
  readonly connector: string
  readonly channel: Channel
  /** What the connector's `config` asks for, without its secret fields. */
  readonly config: JsonObject
  /** Names of the secret fields that are set. */
  readonly secretFields: readonly string[]
  readonly enabled: boolean
  readonly pause: ConnectionPause | null
  /** Where it is kept: in the database, or in the operator's file, which the API cannot change. */
  readonly source: 'api' | 'file'
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** Connections among which load is spread by weight; the next tier serves when none of this one can. */
export interface Tier {
  readonly connections: readonly { readonly connection: ConnectionId /** 1 … 1,000 */; readonly weight: number }[]
}

/** Which connections serve a channel, or those of its notifications that carry a tag, in which order. */
export interface Route {
  readonly channel: Channel
  /** Null: every notification of the channel without a route of its own. */
  readonly tag: string | null
  /** At least one. */
  readonly tiers: readonly Tier[]
  /** Deadline of one try; null = the job timeout, which is the most. */
  readonly tryTimeoutMs: number | null
  /** From accept to giving up; null = the notification's own time to live, which is the most. */
  readonly totalTimeoutMs: number | null
  readonly source: 'api' | 'file'
}
