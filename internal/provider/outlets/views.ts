import type { ConnectionView, ConnectorProblem, ConnectorView, RouteView } from '../../port/connection-admin.ts'
import { formatProblem } from '../connector/problems.ts'
import type { Catalog, CatalogEntry } from './catalog.ts'
import type { LiveOutlets } from './live-outlets.ts'
import type { ConnectionEntry, ConnectionState, RouteEntry } from './state.ts'

/** What operators are shown. Secrets never come this far. */

export function connectorViews(catalog: Pick<Catalog, 'entries' | 'problems'>): {
  readonly connectors: readonly ConnectorView[]
  readonly problems: readonly ConnectorProblem[]
} {
  const entries = [...catalog.entries.values()].sort(
    (a, b) => compare(a.kind.id, b.kind.id) || a.kind.version - b.kind.version,
  )
  const problems = catalog.problems.map((problem) => {
    const { file, line, column, path } = problem
    return { file, line, column, path, message: formatProblem(problem) }
  })
  return { connectors: entries.map(connectorView), problems }
}

function connectorView({ kind, source, file }: CatalogEntry): ConnectorView {
  const { name, id, version, channel, display, recipient, fields, canProbe, repeatable } = kind
  return {
    name,
    id,
    version,
    channel,
    display: { name: display.name, docs: display.docs ?? null, description: display.description ?? null },
    recipient: { format: recipient.format, help: recipient.help ?? null },
    config: Object.entries(fields).map(([field, { type, required, secret, ...rest }]) => ({
      name: field,
      type,
      label: rest.label ?? null,
      help: rest.help ?? null,
      required,
      secret,
      enum: rest.enum ?? null,
      pattern: rest.pattern ?? null,
      min: rest.min ?? null,
      max: rest.max ?? null,
      default: rest.default ?? null,
    })),
    canProbe,
    repeatable,
    source,
    file,
  }
}

export function connectionView({ connection, revision }: ConnectionEntry, live: LiveOutlets): ConnectionView {
  const { id, enabled, pause } = connection
  const outlet = live.get(id)
  const problem = live.problemOf(id)
  const state = !enabled ? 'disabled' : pause !== null ? 'paused' : outlet === null ? 'broken' : 'ready'
  return { ...connection, state, problem, revision, buckets: outlet?.buckets ?? [] }
}

export function routeView({ route, revision }: RouteEntry, { connections }: ConnectionState): RouteView {
  const named = route.tiers.flatMap((tier) => tier.connections.map(({ connection }) => connection))
  return { ...route, revision, missing: named.filter((id) => !connections.has(id)) }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
