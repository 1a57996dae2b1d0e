import { z } from 'zod'
import {
  type ConnectionId,
  connectionIdPattern,
  connectionsMax,
  routesMax,
  tierConnectionsMax,
  tiersMax,
  totalTimeoutMsMax,
  tryTimeoutMsMax,
  weightMax,
} from '../../domain/connection.ts'
import { channels, type JsonObject, type JsonValue, tagLengthMax } from '../../domain/notification.ts'
import type { RouteRow } from '../../port/connection-store.ts'
import type { ConfigProblem, ConnectorConfig } from '../connector/config.ts'
import { type Finding, nearest, type Problem, show } from '../connector/problems.ts'
import { findingsOf } from '../connector/schema-issues.ts'
import { readSource } from '../connector/yaml.ts'
import type { Catalog } from './catalog.ts'
import { type Environment, withEnvironment } from './environment-values.ts'
import type { OutletKind } from './kind.ts'
import { routeProblems } from './route-check.ts'
import { trialProblem } from './trial.ts'

const connectionId = z.string().regex(connectionIdPattern, 'an id of lower case letters, digits and dashes, at most 63')

const connectionSchema = z.strictObject({
  /** `<id>@<version>`. */
  connector: z.string().min(1).max(128),
  enabled: z.boolean().default(true),
  config: z.record(z.string(), z.json()).default({}),
})

/** A connection by its name, or several with their weights. */
const tierSchema = z.union([
  connectionId,
  z
    .record(connectionId, z.int().min(1).max(weightMax))
    .refine((tier) => isWithin(Object.keys(tier).length), `1 to ${tierConnectionsMax} connections`),
])

const routeSchema = z.strictObject({
  channel: z.preprocess((value) => (typeof value === 'string' ? value.toUpperCase() : value), z.enum(channels)),
  tag: z.string().min(1).max(tagLengthMax).nullable().default(null),
  tiers: z.array(tierSchema).min(1).max(tiersMax),
  tryTimeoutMs: z.int().min(100).max(tryTimeoutMsMax).nullable().default(null),
  totalTimeoutMs: z.int().min(1_000).max(totalTimeoutMsMax).nullable().default(null),
})

const fileSchema = z.strictObject({
  connections: z.record(connectionId, connectionSchema).default({}),
  routes: z.array(routeSchema).max(routesMax).default([]),
})

function isWithin(count: number): boolean {
  return count >= 1 && count <= tierConnectionsMax
}

type FileDocument = z.output<typeof fileSchema>

export interface FileConnection {
  readonly id: ConnectionId
  readonly kind: OutletKind
  readonly enabled: boolean
  /** As written, so without the values of variables; without secret fields. */
  readonly shown: JsonObject
  readonly secretFields: readonly string[]
  /** Checked and whole. */
  readonly config: ConnectorConfig
}

export interface FileContent {
  readonly connections: readonly FileConnection[]
  readonly routes: readonly RouteRow[]
}

export type ParsedConnections =
  | { readonly ok: true; readonly content: FileContent }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/**
 * Reads a file of connections and routes in YAML or JSON. Never throws. Its routes name connections of the same file only:
 * so a misspelt name is found here, with its line.
 */
export function parseConnections(
  text: string,
  file: string,
  catalog: Pick<Catalog, 'entries'>,
  environment: Environment,
): ParsedConnections {
  const read = readSource(text, file)
  if (!read.ok) return read
  const { source } = read
  const refuse = (findings: readonly Finding[]): ParsedConnections => {
    const problems = findings.map((finding) => source.problem(finding))
    return { ok: false, problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) }
  }
  const parsed = fileSchema.safeParse(source.value ?? {}) // an empty file is an empty mapping
  if (!parsed.success) return refuse(findingsOf(fileSchema, parsed.error, source.value))
  const findings: Finding[] = []
  const connections = readConnections(parsed.data, catalog, environment, findings)
  const routes = readRoutes(parsed.data, catalog, findings)
  return findings.length > 0 ? refuse(findings) : { ok: true, content: { connections, routes } }
}

function readConnections(
  { connections }: FileDocument,
  { entries }: Pick<Catalog, 'entries'>,
  environment: Environment,
  findings: Finding[],
): readonly FileConnection[] {
  const found: FileConnection[] = []
  const count = Object.keys(connections).length
  if (count > connectionsMax) {
    findings.push({ path: ['connections'], found: `${count} connections`, expected: `at most ${connectionsMax}` })
  }
  for (const [id, { connector, enabled, config }] of Object.entries(connections)) {
    const at = ['connections', id]
    const kind = entries.get(connector)?.kind
    if (kind === undefined) {
      const names = [...entries.keys()]
      const expected = 'the name and version of a connector that is installed, such as twilio-sms@1'
      findings.push({
        path: [...at, 'connector'],
        found: show(connector),
        expected,
        didYouMean: nearest(connector, names),
      })
      continue
    }
    const before = findings.length
    const filled = withEnvironment(config, environment, [...at, 'config'], findings)
    if (findings.length > before) continue
    const checked = kind.check(filled)
    if (!checked.ok) {
      for (const problem of checked.problems) findings.push(findingOf(problem, config, [...at, 'config']))
      continue
    }
    const problem = trialProblem(id, kind, checked.config)
    if (problem !== null) {
      const path = [...at, 'config', ...(problem.field === null ? [] : [problem.field])]
      findings.push({ path, found: `what the connector cannot use (${problem.message})`, expected: 'what it can use' })
      continue
    }
    const isSecret = (name: string) => kind.fields[name]?.secret === true
    const shown = Object.fromEntries(Object.entries(config).filter(([name]) => !isSecret(name)))
    const secretFields = Object.keys(config).filter((name) => isSecret(name) && checked.config[name] !== undefined)
    found.push({ id, kind, enabled, shown, secretFields, config: checked.config })
  }
  return found
}

/** What came out of the environment is not shown. */
function findingOf(
  { field, found, expected, didYouMean }: ConfigProblem,
  config: Readonly<Record<string, JsonValue>>,
  at: readonly string[],
): Finding {
  const written: unknown = config[field]
  const path = field === '' ? at : [...at, field]
  const isVariable = typeof written === 'string' && written.includes('${')
  return { path, found: isVariable ? `the value of ${written}` : found, expected, didYouMean }
}

function readRoutes(
  { connections, routes }: FileDocument,
  { entries }: Pick<Catalog, 'entries'>,
  findings: Finding[],
): readonly RouteRow[] {
  const known = new Map(
    Object.entries(connections).flatMap(([id, { connector }]) => {
      const channel = entries.get(connector)?.kind.channel
      return channel === undefined ? [] : [[id, { channel }] as const]
    }),
  )
  const seen = new Set<string>()
  return routes.map(({ channel, tag, tiers, tryTimeoutMs, totalTimeoutMs }, index) => {
    const route: RouteRow = { channel, tag, tiers: tiers.map(tierOf), tryTimeoutMs, totalTimeoutMs }
    const key = JSON.stringify([channel, tag])
    if (seen.has(key)) {
      const found = `a second route of ${channel}${tag === null ? '' : ` for the tag ${show(tag)}`}`
      findings.push({ path: ['routes', index], found, expected: 'one route for each channel and tag' })
    }
    seen.add(key)
    for (const { tier, connection, found, expected, didYouMean } of routeProblems(route, known)) {
      // A connection with a wrong connector was told already.
      if (Object.hasOwn(connections, connection) && !known.has(connection)) continue
      const at = ['routes', index, 'tiers', tier]
      const path = typeof tiers[tier] === 'string' ? at : [...at, connection]
      findings.push({ path, found, expected, didYouMean })
    }
    return route
  })
}

function tierOf(tier: z.output<typeof tierSchema>): RouteRow['tiers'][number] {
  if (typeof tier === 'string') return { connections: [{ connection: tier, weight: 1 }] }
  return { connections: Object.entries(tier).map(([connection, weight]) => ({ connection, weight })) }
}
