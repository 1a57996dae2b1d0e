import type { ConnectionId, ConnectionPause } from '../domain/connection.ts'
import type {
  ConnectionRow,
  ConnectionStore,
  RouteKey,
  RouteRow,
  Saved,
  StoredConnections,
} from '../port/connection-store.ts'
import {
  pauseStatement,
  readConnectionsStatement,
  removeConnectionStatement,
  removeRouteStatement,
  resumeStatement,
  revisionStatement,
  saveConnectionStatement,
  saveRouteStatement,
} from './connection-statements.ts'
import { type Param, storable } from './params.ts'
import type { PostgresPool, Statement } from './pool.ts'

/** A key cannot hold NULL; no tag is empty. */
const noTag = ''
const pauseReasonMax = 1_000

export class PostgresConnectionStore implements ConnectionStore {
  readonly #pool: PostgresPool

  constructor(pool: PostgresPool) {
    this.#pool = pool
  }

  async revision(): Promise<number> {
    return onlyRow(await this.#pool.run(revisionStatement)).revision
  }

  async read(): Promise<StoredConnections> {
    const { revision, connections, routes, pauses } = onlyRow(await this.#pool.run(readConnectionsStatement))
    return {
      revision,
      connections: connections.map(withDates),
      routes: routes.map((row) => ({ ...withDates(row), tag: row.tag === noTag ? null : row.tag })),
      pauses: new Map(pauses.map(({ id, since, ...pause }) => [id, { ...pause, since: new Date(since) }])),
    }
  }

  saveConnection(since: number, connection: ConnectionRow): Promise<Saved> {
    const { id, connector, channel, config, secrets, enabled } = connection
    const values = [id, connector, channel, JSON.stringify(config), JSON.stringify(secrets), enabled]
    return this.#save(saveConnectionStatement, [since, ...values])
  }

  removeConnection(since: number, id: ConnectionId): Promise<Saved> {
    return this.#save(removeConnectionStatement, [since, id])
  }

  saveRoute(since: number, { channel, tag, tiers, tryTimeoutMs, totalTimeoutMs }: RouteRow): Promise<Saved> {
    const values = [channel, tag ?? noTag, JSON.stringify(tiers), tryTimeoutMs, totalTimeoutMs]
    return this.#save(saveRouteStatement, [since, ...values])
  }

  removeRoute(since: number, { channel, tag }: RouteKey): Promise<Saved> {
    return this.#save(removeRouteStatement, [since, channel, tag ?? noTag])
  }

  pause(since: number, id: ConnectionId, { code, reason }: Pick<ConnectionPause, 'code' | 'reason'>): Promise<Saved> {
    return this.#save(pauseStatement, [since, id, code, storable(reason, pauseReasonMax)])
  }

  async resume(id: ConnectionId): Promise<void> {
    await this.#pool.run(resumeStatement, [id])
  }

  async #save(statement: Statement<{ readonly revision: number }>, params: readonly Param[]): Promise<Saved> {
    const [row] = await this.#pool.run(statement, params)
    return row === undefined ? { kind: 'stale' } : { kind: 'saved', revision: row.revision }
  }
}

function withDates<T extends { readonly createdAt: string; readonly updatedAt: string }>({
  createdAt,
  updatedAt,
  ...rest
}: T) {
  return { ...rest, createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) }
}

function onlyRow<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw new Error('connection_revision has no row: the migration that fills it is missing')
  return row
}
