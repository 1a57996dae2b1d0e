import type { Connection, ConnectionId, Route } from '../../domain/connection.ts'
import { messageOf } from '../../domain/errors.ts'
import type { RouteKey, StoredConnection, StoredConnections } from '../../port/connection-store.ts'
import type { ConnectorConfig } from '../connector/config.ts'
import { formatPath } from '../connector/problems.ts'
import type { Sealer } from '../sealing/sealer.ts'
import type { Catalog } from './catalog.ts'
import type { FileContent } from './connections-file.ts'
import type { OutletKind } from './kind.ts'

/** What an outlet is opened with. */
export interface Settings {
  readonly kind: OutletKind
  /** Checked and whole, with secrets. */
  readonly config: ConnectorConfig
}

export interface ConnectionEntry {
  readonly connection: Connection
  /** Null for one of a file. */
  readonly revision: number | null
  /** Or why it cannot be opened as it stands. */
  readonly settings: Settings | { readonly problem: string }
}

export interface RouteEntry {
  readonly route: Route
  /** Null for one of a file. */
  readonly revision: number | null
}

/** Everything there is, of the database and of the file together. */
export interface ConnectionState {
  readonly stored: StoredConnections
  readonly connections: ReadonlyMap<ConnectionId, ConnectionEntry>
  /** By {@link routeKey}. */
  readonly routes: ReadonlyMap<string, RouteEntry>
}

export const emptyState: ConnectionState = {
  stored: { revision: 0, connections: [], routes: [], pauses: new Map() },
  connections: new Map(),
  routes: new Map(),
}

/** Tags have no line breaks worth telling apart from a channel: the channel is always first and has none. */
export function routeKey({ channel, tag }: RouteKey): string {
  return tag === null ? channel : `${channel}\n${tag}`
}

interface Sources {
  readonly stored: StoredConnections
  readonly file: FileContent & { readonly modifiedAt: Date }
  readonly catalog: Pick<Catalog, 'entries'>
  readonly sealer: Sealer | null
}

/** Puts the sources together; the file wins where both have the same. */
export function combine({ stored, file, catalog, sealer }: Sources): ConnectionState {
  const pauseOf = (id: ConnectionId) => stored.pauses.get(id) ?? null
  const connections = new Map<ConnectionId, ConnectionEntry>()
  for (const row of stored.connections) {
    const { secrets, revision, ...rest } = row
    const secretFields = Object.keys(secrets).sort()
    const connection: Connection = { ...rest, secretFields, pause: pauseOf(row.id), source: 'api' }
    connections.set(row.id, { connection, revision, settings: settingsOf(row, catalog, sealer) })
  }
  const { modifiedAt } = file
  for (const { id, kind, enabled, shown: config, secretFields, config: whole } of file.connections) {
    const { name: connector, channel } = kind
    const times = { createdAt: modifiedAt, updatedAt: modifiedAt }
    const shown = { id, connector, channel, config, secretFields, enabled, pause: pauseOf(id), ...times }
    connections.set(id, { connection: { ...shown, source: 'file' }, revision: null, settings: { kind, config: whole } })
  }
  const routes = new Map<string, RouteEntry>()
  for (const { revision, createdAt: _created, updatedAt: _updated, ...row } of stored.routes) {
    routes.set(routeKey(row), { route: { ...row, source: 'api' }, revision })
  }
  for (const row of file.routes) routes.set(routeKey(row), { route: { ...row, source: 'file' }, revision: null })
  return { stored, connections, routes }
}

function settingsOf(
  row: StoredConnection,
  { entries }: Pick<Catalog, 'entries'>,
  sealer: Sealer | null,
): ConnectionEntry['settings'] {
  const kind = entries.get(row.connector)?.kind
  if (kind === undefined) return { problem: `its connector ${row.connector} is not installed` }
  const opened = openSecrets(row, sealer)
  if ('problem' in opened) return opened
  const checked = kind.check({ ...row.config, ...opened.secrets })
  if (checked.ok) return { kind, config: checked.config }
  const [first] = checked.problems
  const path = formatPath(['config', first?.field ?? ''])
  return { problem: `${path}: found ${first?.found ?? 'nothing'}, expected ${first?.expected ?? 'a value'}` }
}

export type OpenedSecrets = { readonly secrets: Readonly<Record<string, unknown>> } | { readonly problem: string }

/** The secret fields of a connection in the clear, or why they cannot be read. */
export function openSecrets(
  { id, secrets }: Pick<StoredConnection, 'id' | 'secrets'>,
  sealer: Sealer | null,
): OpenedSecrets {
  const opened: Record<string, unknown> = {}
  for (const [field, sealed] of Object.entries(secrets)) {
    if (sealer === null) return { problem: `config.${field} is sealed, and this process has no ENCRYPTION_KEY` }
    try {
      opened[field] = JSON.parse(sealer.open(sealed, { connection: id, field }))
    } catch (error) {
      return { problem: `config.${field} cannot be unsealed: ${messageOf(error)}` }
    }
  }
  return { secrets: opened }
}
