import {
  type ConnectionId,
  type ConnectionPause,
  connectionIdPattern,
  connectionsMax,
  routesMax,
} from '../../domain/connection.ts'
import { type FieldError, NotFoundError, OverloadedError, StateConflictError } from '../../domain/errors.ts'
import type { Clock } from '../../port/clock.ts'
import type {
  ConnectionAdmin,
  ConnectionInput,
  ConnectionView,
  ConnectorProblem,
  ConnectorView,
  ProbeView,
  RouteView,
} from '../../port/connection-admin.ts'
import type { ConnectionStore, RouteKey, RouteRow, Saved, StoredConnection } from '../../port/connection-store.ts'
import type { TryResult } from '../../port/outlet.ts'
import { type FilledInDeps, fieldError, fillIn, refusal } from './filled-in.ts'
import type { OutletRegistry } from './registry.ts'
import { routeProblems } from './route-check.ts'
import { type ConnectionEntry, type ConnectionState, type RouteEntry, routeKey } from './state.ts'
import { connectionView, connectorViews, routeView } from './views.ts'

export interface AdminDeps extends Omit<FilledInDeps, 'catalog'> {
  readonly registry: OutletRegistry
  readonly store: ConnectionStore
  readonly clock: Pick<Clock, 'monotonicMs' | 'now' | 'timeout'>
}

/** Writes that somebody else was faster than are decided anew this often. */
const triesMax = 10
const probesMax = 4
/** Beyond what any connector's own deadline should be for a test that a person waits for. */
const probeMaxMs = 30_000

/** What operators do with connections and routes, over the registry of this process and the store that all share. */
export class OutletAdmin implements ConnectionAdmin {
  readonly #deps: AdminDeps
  readonly #registry: OutletRegistry
  #probes = 0

  constructor(deps: AdminDeps) {
    this.#deps = deps
    this.#registry = deps.registry
  }

  connectors(): { readonly connectors: readonly ConnectorView[]; readonly problems: readonly ConnectorProblem[] } {
    return connectorViews(this.#registry.catalog)
  }

  async connections(): Promise<readonly ConnectionView[]> {
    const { connections } = await this.#registry.refresh()
    const entries = [...connections.values()].sort((a, b) => (a.connection.id < b.connection.id ? -1 : 1))
    return entries.map((entry) => connectionView(entry, this.#registry.live))
  }

  async connection(id: ConnectionId): Promise<ConnectionView> {
    return this.#viewOf(await this.#registry.refresh(), id)
  }

  async create(id: ConnectionId, input: ConnectionInput): Promise<ConnectionView> {
    return this.#saveConnection(id, (state) => {
      if (!connectionIdPattern.test(id)) throw refusal([badId(id)])
      if (state.connections.has(id)) throw new StateConflictError(`there is a connection ${id} already`)
      if (state.stored.connections.length >= connectionsMax) {
        throw new StateConflictError(`there are ${connectionsMax} connections already, which is the most`)
      }
      return { input, before: null }
    })
  }

  async replace(id: ConnectionId, input: ConnectionInput, ifRevision: number | null): Promise<ConnectionView> {
    return this.#saveConnection(id, (state) => {
      changeable(`connection ${id}`, entryOf(state, id), ifRevision)
      return { input, before: state.stored.connections.find((one) => one.id === id) ?? null }
    })
  }

  async remove(id: ConnectionId, ifRevision: number | null): Promise<void> {
    await this.#write((state) => {
      changeable(`connection ${id}`, entryOf(state, id), ifRevision)
      const routes = [...state.routes.values()].filter(({ route }) => names(route, id))
      if (routes.length > 0) {
        const listed = routes.map(({ route }) => nameOf(route)).join(', ')
        throw new StateConflictError(`connection ${id} is in use: take it out of the route ${listed} first`)
      }
      return this.#deps.store.removeConnection(state.stored.revision, id)
    })
  }

  async probe(id: ConnectionId): Promise<ProbeView> {
    const { settings } = entryOf(await this.#registry.refresh(), id)
    if ('problem' in settings) throw new StateConflictError(`connection ${id} cannot be used: ${settings.problem}`)
    if (this.#probes >= probesMax) throw new OverloadedError(`${probesMax} connections are being tested already`)
    this.#probes++
    const deadline = this.#deps.clock.timeout(probeMaxMs)
    const startedAtMs = this.#deps.clock.monotonicMs()
    // An outlet of its own: there is none while the connection is paused, and what a test finds concerns no message.
    const outlet = settings.kind.open(id, settings.config)
    try {
      const result = await outlet.probe(deadline.signal)
      const durationMs = Math.round(this.#deps.clock.monotonicMs() - startedAtMs)
      return { outcome: outcomeOf(result), result, durationMs }
    } finally {
      deadline.clear()
      this.#probes--
      await outlet.close()
    }
  }

  async pause(id: ConnectionId, pause: Pick<ConnectionPause, 'code' | 'reason'>): Promise<ConnectionView> {
    const state = await this.#write(async ({ connections, stored }) => {
      const { connection } = entryOf({ connections }, id)
      const { revision } = stored
      return connection.pause === null ? this.#deps.store.pause(revision, id, pause) : { kind: 'saved', revision }
    })
    return this.#viewOf(state, id)
  }

  async resume(id: ConnectionId): Promise<ConnectionView> {
    const { connection } = entryOf(await this.#registry.refresh(), id)
    if (connection.pause !== null) await this.#deps.store.resume(id)
    return this.#viewOf(await this.#registry.refresh(), id)
  }

  async routes(): Promise<readonly RouteView[]> {
    const state = await this.#registry.refresh()
    const entries = [...state.routes.entries()].sort(([a], [b]) => (a < b ? -1 : 1))
    return entries.map(([, entry]) => routeView(entry, state))
  }

  async saveRoute(route: RouteRow, ifRevision: number | null): Promise<RouteView> {
    const state = await this.#write((now) => {
      const known = now.routes.get(routeKey(route))
      if (known !== undefined || ifRevision !== null) changeable(nameOf(route), known ?? null, ifRevision)
      const errors = routeErrors(route, now)
      if (errors.length > 0) throw refusal(errors)
      if (known === undefined && now.stored.routes.length >= routesMax) {
        throw new StateConflictError(`there are ${routesMax} routes already, which is the most`)
      }
      return this.#deps.store.saveRoute(now.stored.revision, route)
    })
    const saved = state.routes.get(routeKey(route))
    if (saved === undefined) throw new StateConflictError(`the route ${nameOf(route)} was removed at this moment`)
    return routeView(saved, state)
  }

  async removeRoute(key: RouteKey, ifRevision: number | null): Promise<void> {
    await this.#write((state) => {
      const known = state.routes.get(routeKey(key))
      if (known === undefined) throw new NotFoundError(`there is no route ${nameOf(key)}`)
      changeable(nameOf(key), known, ifRevision)
      return this.#deps.store.removeRoute(state.stored.revision, key)
    })
  }

  async #saveConnection(
    id: ConnectionId,
    decide: (state: ConnectionState) => { readonly input: ConnectionInput; readonly before: StoredConnection | null },
  ): Promise<ConnectionView> {
    const { catalog } = this.#registry
    const state = await this.#write((now) => {
      const { input, before } = decide(now)
      const { row } = fillIn(id, input, before, { ...this.#deps, catalog })
      return this.#deps.store.saveConnection(now.stored.revision, row)
    })
    return this.#viewOf(state, id)
  }

  /** Decides over what there is now, and again when somebody else wrote in between. */
  async #write(attempt: (state: ConnectionState) => Promise<Saved>): Promise<ConnectionState> {
    for (let tries = 1; tries <= triesMax; tries++) {
      const saved = await attempt(await this.#registry.refresh())
      if (saved.kind === 'saved') return this.#registry.refresh()
    }
    throw new OverloadedError('connections and routes are being changed too often at this moment')
  }

  #viewOf(state: ConnectionState, id: ConnectionId): ConnectionView {
    return connectionView(entryOf(state, id), this.#registry.live)
  }
}

function entryOf({ connections }: Pick<ConnectionState, 'connections'>, id: ConnectionId): ConnectionEntry {
  const entry = connections.get(id)
  if (entry === undefined) throw new NotFoundError(`there is no connection ${JSON.stringify(id)}`)
  return entry
}

/** @throws StateConflictError for one of a file, or another revision than the caller saw. */
function changeable(name: string, entry: ConnectionEntry | RouteEntry | null, ifRevision: number | null): void {
  if (entry !== null && entry.revision === null) {
    throw new StateConflictError(`${name} is kept in CONNECTIONS_FILE: change it there`)
  }
  if (ifRevision === null || entry?.revision === ifRevision) return
  const found = entry === null ? 'there is none' : `it is ${entry.revision}`
  throw new StateConflictError(
    `${name} was changed since it was read: expected revision ${ifRevision}, found that ${found}`,
  )
}

function badId(id: string): FieldError {
  const expected = 'expected 1 to 63 lower case letters, digits and dashes, not beginning with a dash'
  return fieldError('id', 'invalid_id', `${expected}, found ${JSON.stringify(id.slice(0, 64))}`)
}

function names({ tiers }: RouteRow, id: ConnectionId): boolean {
  return tiers.some(({ connections }) => connections.some(({ connection }) => connection === id))
}

function nameOf({ channel, tag }: RouteKey): string {
  return tag === null ? channel : `${channel}?tag=${tag}`
}

function routeErrors(route: RouteRow, { connections }: ConnectionState): readonly FieldError[] {
  const known = new Map([...connections].map(([id, { connection }]) => [id, connection]))
  return routeProblems(route, known).map(({ tier, index, code, found, expected, didYouMean }) => {
    const hint = didYouMean === null ? '' : `; did you mean ${JSON.stringify(didYouMean)}?`
    const path = `tiers[${tier}].connections[${index}].connection`
    return fieldError(path, code, `expected ${expected}, found ${found}${hint}`)
  })
}

function outcomeOf(result: TryResult | null): ProbeView['outcome'] {
  if (result === null) return 'unsupported'
  return result.class === 'accepted' ? 'ok' : 'failed'
}
