import type { ConnectionId, ConnectionPause, Route } from '../domain/connection.ts'
import type { Channel, JsonObject } from '../domain/notification.ts'

/** A connection as it is kept. */
export interface ConnectionRow {
  readonly id: ConnectionId
  /** `<connector id>@<version>`. */
  readonly connector: string
  readonly channel: Channel
  /** As the operator gave it, without secret fields. */
  readonly config: JsonObject
  /** Secret fields that are set, each as sealed text: nothing here can be read without the key. */
  readonly secrets: Readonly<Record<string, string>>
  readonly enabled: boolean
}

export type RouteRow = Omit<Route, 'source'>
export type RouteKey = Pick<Route, 'channel' | 'tag'>

interface Kept {
  /** The revision of the whole under which this was last written. */
  readonly revision: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface StoredConnection extends ConnectionRow, Kept {}
export interface StoredRoute extends RouteRow, Kept {}

/** Everything, as of one moment. */
export interface StoredConnections {
  /** Grows with every change of anything here. */
  readonly revision: number
  /** By id. */
  readonly connections: readonly StoredConnection[]
  /** By channel, then tag, the one without a tag first. */
  readonly routes: readonly StoredRoute[]
  /** Also of connections that are kept in a file. */
  readonly pauses: ReadonlyMap<ConnectionId, ConnectionPause>
}

/** Who was first: the caller decides anew over what there is now. */
export type Saved = { readonly kind: 'saved'; readonly revision: number } | { readonly kind: 'stale' }

/**
 * Connections and routes in the database. A write names the revision that its checks were made against and is
 * refused as `stale` when anything was written since: so rules between rows (a route names only what exists) hold
 * without a transaction.
 * @throws DependencyUnavailableError from every method when PostgreSQL cannot be reached or did not answer in time.
 */
export interface ConnectionStore {
  /** Cheap: asked every few seconds by every process. */
  revision(): Promise<number>
  read(): Promise<StoredConnections>
  /** Adds it, without the pause of an earlier one of that id, or replaces it. */
  saveConnection(since: number, connection: ConnectionRow): Promise<Saved>
  /** Removes it and its pause. */
  removeConnection(since: number, id: ConnectionId): Promise<Saved>
  saveRoute(since: number, route: RouteRow): Promise<Saved>
  removeRoute(since: number, key: RouteKey): Promise<Saved>
  /** Of any id, since connections are kept in files too. A pause that is there already stays as it is. The time is the database's. */
  pause(since: number, id: ConnectionId, pause: Pick<ConnectionPause, 'code' | 'reason'>): Promise<Saved>
  resume(id: ConnectionId): Promise<void>
}
