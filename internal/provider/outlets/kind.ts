import type { ConnectionId } from '../../domain/connection.ts'
import { type Channel, channels } from '../../domain/notification.ts'
import type { Outlet } from '../../port/outlet.ts'
import type { ConfigCheck, ConfigField, ConnectorConfig } from '../connector/config.ts'

/** An outlet that holds something. */
export interface OpenOutlet extends Outlet {
  /** Called once, when no send is under way any more. */
  close(): void | Promise<void>
}

/** What connections are made of: a connector document, or a protocol that is built in. */
export interface OutletKind {
  /** `<id>@<version>`. */
  readonly name: string
  readonly id: string
  readonly version: number
  readonly channel: Channel
  readonly display: {
    readonly name: string
    readonly docs?: string | undefined
    readonly description?: string | undefined
  }
  readonly recipient: { readonly format: 'e164' | 'email' | 'text' | 'none'; readonly help?: string | undefined }
  readonly fields: Readonly<Record<string, ConfigField>>
  readonly canProbe: boolean
  /** The receiver drops a repeat under the same key. */
  readonly repeatable: boolean
  /** Lists every problem of what an operator filled in, secrets included. */
  check(config: unknown): ConfigCheck
  /**
   * @param config what `check` gave.
   * @throws Error with a text for people, without secrets, when the fields are right one by one and cannot work together.
   */
  open(id: ConnectionId, config: ConnectorConfig): OpenOutlet
}

/** The channel of a connector document; null for one that this engine does not have. */
export function channelOf(word: string): Channel | null {
  return channels.find((channel) => channel.toLowerCase() === word) ?? null
}

/** A webhook is told everything that a notification holds, its channel included, so it may serve any of them. */
const servesAll: string = 'WEBHOOK'

/** Whether a connection of this channel may stand in a route of that one. */
export function serves(own: Channel, routed: Channel): boolean {
  return own === routed || own === servesAll
}
