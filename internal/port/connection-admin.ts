import type { Connection, ConnectionId, ConnectionPause, Route } from '../domain/connection.ts'
import type { Channel, JsonObject, JsonValue } from '../domain/notification.ts'
import type { RouteKey, RouteRow } from './connection-store.ts'
import type { Bucket, TryResult } from './outlet.ts'

/** One thing that is filled in for a connection. */
export interface ConfigFieldView {
  readonly name: string
  readonly type: 'string' | 'url' | 'integer' | 'number' | 'boolean' | 'strings' | 'json'
  readonly label: string | null
  readonly help: string | null
  readonly required: boolean
  /** Written only: never answered. */
  readonly secret: boolean
  readonly enum: readonly string[] | null
  readonly pattern: string | null
  readonly min: number | null
  readonly max: number | null
  readonly default: JsonValue | null
}

/** A connector that connections can be made of. */
export interface ConnectorView {
  /** `<id>@<version>`. */
  readonly name: string
  readonly id: string
  readonly version: number
  readonly channel: Channel
  readonly display: { readonly name: string; readonly docs: string | null; readonly description: string | null }
  readonly recipient: { readonly format: 'e164' | 'email' | 'text' | 'none'; readonly help: string | null }
  readonly config: readonly ConfigFieldView[]
  readonly canProbe: boolean
  readonly repeatable: boolean
  readonly source: 'built_in' | 'shipped' | 'own'
  /** Of a document; null for what is built in. */
  readonly file: string | null
}

/** What is wrong with a connector's file; the last good version of it is used as long as the process lives. */
export interface ConnectorProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly path: string
  /** The whole of it in one line. */
  readonly message: string
}

export interface ConnectionView extends Connection {
  /** `broken`: nothing is sent over it; `problem` says why. */
  readonly state: 'ready' | 'disabled' | 'paused' | 'broken'
  /** Why it cannot be opened as it stands; one that is `ready` all the same goes on as it was before. */
  readonly problem: string | null
  /** For `ifRevision`; null for one of a file. */
  readonly revision: number | null
  readonly buckets: readonly Bucket[]
}

export interface RouteView extends Route {
  readonly revision: number | null
  /** Names in it that are no connection any more: a file has dropped them. */
  readonly missing: readonly ConnectionId[]
}

export interface ConnectionInput {
  /** `<id>@<version>`, or `<id>` for its newest version. */
  readonly connector: string
  /** Secrets too. In a replacement an absent secret is kept, and null takes one out. */
  readonly config: JsonObject
  readonly enabled: boolean
}

export interface ProbeView {
  /** `unsupported`: the connector has no way to test without sending. */
  readonly outcome: 'ok' | 'failed' | 'unsupported'
  /** Null when unsupported. */
  readonly result: TryResult | null
  readonly durationMs: number
}

/**
 * What operators do with connections and routes. Every method sees what any process has written before.
 * @throws DependencyUnavailableError from every method but `connectors` when PostgreSQL cannot be reached.
 * @throws InvalidRequestError with the fields that are wrong; NotFoundError; StateConflictError when an id is taken, a
 *   file holds it, a route still names it, or `ifRevision` is not what there is.
 */
export interface ConnectionAdmin {
  connectors(): { readonly connectors: readonly ConnectorView[]; readonly problems: readonly ConnectorProblem[] }
  connections(): Promise<readonly ConnectionView[]>
  connection(id: ConnectionId): Promise<ConnectionView>
  create(id: ConnectionId, input: ConnectionInput): Promise<ConnectionView>
  /** @param ifRevision null = whatever there is. */
  replace(id: ConnectionId, input: ConnectionInput, ifRevision: number | null): Promise<ConnectionView>
  remove(id: ConnectionId, ifRevision: number | null): Promise<void>
  /** Tests without sending, also one that is paused or disabled. @throws OverloadedError when too many tests run. */
  probe(id: ConnectionId): Promise<ProbeView>
  pause(id: ConnectionId, pause: Pick<ConnectionPause, 'code' | 'reason'>): Promise<ConnectionView>
  resume(id: ConnectionId): Promise<ConnectionView>
  routes(): Promise<readonly RouteView[]>
  saveRoute(route: RouteRow, ifRevision: number | null): Promise<RouteView>
  removeRoute(key: RouteKey, ifRevision: number | null): Promise<void>
}
