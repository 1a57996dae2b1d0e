import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parse, stringify } from 'yaml'
import type { Settings } from '../../e2e/harness/engine.ts'
import { projectRoot } from '../../project-root.ts'
import { plannedRoutes, viaTag } from './plan.ts'

/** Shipped connectors as they are, but for the address of the provider and its limits: the version says so. */
const movedVersion = 99
const moved = [
  { id: 'twilio-sms', origin: 'https://api.twilio.com', rates: [{ limit: 8, per: '1s', burst: 3, cost: 'segments' }] },
  { id: 'ntfy', origin: null, rates: [{ limit: 8, per: '1s', burst: 1 }] },
  { id: 'slack-webhook', origin: null, rates: [{ limit: 5, per: '1s', burst: 5 }] },
  {
    id: 'pagerduty-events-v2',
    origin: 'https://{{ config.region | lookup: maps.hosts }}',
    rates: [{ limit: 8, per: '1s', burst: 4 }, { concurrency: 4 }],
  },
] as const

type Json = Record<string, unknown>

/**
 * Writes the connectors and connections of a campaign into `folder`. The addresses differ from engine to engine, since
 * each has links of its own: they are variables of its environment.
 */
export function writeConnections(folder: string): Settings {
  const connectorsDir = path.join(folder, 'connectors')
  const connectionsFile = path.join(folder, 'connections.yaml')
  mkdirSync(connectorsDir, { recursive: true })
  for (const { id, origin, rates } of moved) {
    const shipped = readFileSync(path.join(projectRoot, 'connectors', `${id}.yaml`), 'utf8')
    writeFileSync(path.join(connectorsDir, `${id}.yaml`), stringify(move(objectOf(parse(shipped)), origin, rates)))
  }
  writeFileSync(connectionsFile, stringify({ connections: connections(), routes: routes() }))
  return { CONNECTORS_DIR: connectorsDir, CONNECTIONS_FILE: connectionsFile }
}

/** @param origin what stands before the path; null: the configuration says where the provider is. */
function move(shipped: Json, origin: string | null, rates: unknown): Json {
  // Their fixtures and probes speak of the provider's own address.
  const { fixtures: _fixtures, probe: _probe, config, request, ...rest } = shipped
  const fields = Object.entries(objectOf(config)).map(([name, field]) => [name, withoutUrlPattern(objectOf(field))])
  const { url, ...others } = objectOf(request)
  const base = { type: 'url', required: true, example: 'http://127.0.0.1:1' }
  return {
    ...rest,
    version: movedVersion,
    rates,
    config: { ...Object.fromEntries(fields), ...(origin !== null && { base }) },
    request: { ...others, url: origin === null ? url : String(url).replace(origin, '{{ config.base }}') },
  }
}

function withoutUrlPattern({ pattern, ...field }: Json): Json {
  return field['type'] === 'url' || pattern === undefined ? field : { ...field, pattern }
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

function connections(): Json {
  const base = (name: string) => `\${CHAOS_PROVIDERS}/${name}`
  const secrets = ['${CHAOS_SIGNING_SECRET}']
  const of = (id: string) => `${id}@${movedVersion}`
  const accountSid = `AC${'0'.repeat(32)}`
  return {
    'hook-main': { connector: 'webhook@1', config: { url: base('hook-main'), secrets } },
    'hook-spare': { connector: 'webhook@1', config: { url: base('hook-spare'), secrets } },
    twilio: {
      connector: of('twilio-sms'),
      config: { base: base('twilio'), accountSid, authToken: 'chaos-token', from: '+15005550006' },
    },
    ntfy: { connector: of('ntfy'), config: { baseUrl: base('ntfy'), token: 'tk_chaos' } },
    slack: { connector: of('slack-webhook'), config: { webhookUrl: base('slack') } },
    pager: { connector: of('pagerduty-events-v2'), config: { base: base('pager'), routingKey: 'c'.repeat(32) } },
    mail: {
      connector: 'smtp@1',
      config: { host: '127.0.0.1', port: '${CHAOS_MAIL_PORT}', security: 'none', from: 'chaos@example.com' },
    },
  }
}

function routes(): readonly Json[] {
  return Object.entries(plannedRoutes).flatMap(([channel, tiers]) =>
    channel === 'INCIDENT'
      ? []
      : [{ channel, tag: viaTag, tiers: tiers.map((tier) => Object.fromEntries(tier.map((name) => [name, 1]))) }],
  )
}
