import type { ConnectionId, ConnectionPause } from '../domain/connection.ts'
import type {
  ConnectionRow,
  ConnectionStore,
  RouteKey,
  RouteRow,
  Saved,
  StoredConnection,
  StoredConnections,
  StoredRoute,
} from '../port/connection-store.ts'

/** Connections and routes in memory: the same contract as PostgreSQL's, for tests of what stands on it. */
export class MemoryConnectionStore implements ConnectionStore {
  /** Thrown by every call while set. */
  failure: Error | null = null
  /** How often everything was read. */
  reads = 0
  #revision = 1
  readonly #now: () => Date
  readonly #connections = new Map<ConnectionId, StoredConnection>()
  readonly #routes = new Map<string, StoredRoute>()
  readonly #pauses = new Map<ConnectionId, ConnectionPause>()

  constructor(now: () => Date = () => new Date(0)) {
    this.#now = now
  }

  async revision(): Promise<number> {
    this.#mayFail()
    return this.#revision
  }

  async read(): Promise<StoredConnections> {
    this.#mayFail()
    this.reads++
    return {
      revision: this.#revision,
      connections: sorted(this.#connections),
      routes: sorted(this.#routes),
      pauses: new Map(this.#pauses),
    }
  }

  async saveConnection(since: number, connection: ConnectionRow): Promise<Saved> {
    return this.#write(since, (kept) => {
      const { id, connector, channel, config, secrets, enabled } = connection
      const before = this.#connections.get(id)
      if (before === undefined) this.#pauses.delete(id)
      const row = { id, connector, channel, config, secrets, enabled }
      this.#connections.set(id, { ...row, ...kept, createdAt: before?.createdAt ?? kept.createdAt })
    })
  }

  async removeConnection(since: number, id: ConnectionId): Promise<Saved> {
    return this.#write(since, () => {
      this.#pauses.delete(id)
      this.#connections.delete(id)
    })
  }

  async saveRoute(since: number, route: RouteRow): Promise<Saved> {
    return this.#write(since, (kept) => {
      const { channel, tag, tiers, tryTimeoutMs, totalTimeoutMs } = route
      const before = this.#routes.get(keyOf(route))
      const row = { channel, tag, tiers, tryTimeoutMs, totalTimeoutMs }
      this.#routes.set(keyOf(route), { ...row, ...kept, createdAt: before?.createdAt ?? kept.createdAt })
    })
  }

  async removeRoute(since: number, key: RouteKey): Promise<Saved> {
    return this.#write(since, () => void this.#routes.delete(keyOf(key)))
  }

  async pause(since: number, id: ConnectionId, pause: Pick<ConnectionPause, 'code' | 'reason'>): Promise<Saved> {
    return this.#write(since, () => {
      if (!this.#pauses.has(id)) this.#pauses.set(id, { ...pause, since: this.#now() })
    })
  }

  async resume(id: ConnectionId): Promise<void> {
    this.#mayFail()
    if (this.#pauses.delete(id)) this.#revision++
  }

  #write(since: number, change: (kept: { revision: number; createdAt: Date; updatedAt: Date }) => void): Saved {
    this.#mayFail()
    if (since !== this.#revision) return { kind: 'stale' }
    this.#revision++
    change({ revision: this.#revision, createdAt: this.#now(), updatedAt: this.#now() })
    return { kind: 'saved', revision: this.#revision }
  }

  #mayFail(): void {
    if (this.failure !== null) throw this.failure
  }
}

function keyOf({ channel, tag }: RouteKey): string {
  return `${channel}\n${tag ?? ''}`
}

function sorted<T>(rows: ReadonlyMap<string, T>): readonly T[] {
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
}
