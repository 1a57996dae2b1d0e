import { NotFoundError } from '../domain/errors.ts'
import type { BucketFigures, BucketFiguresReader } from '../port/bucket-figures.ts'
import type {
  ConnectionAdmin,
  ConnectionInput,
  ConnectionView,
  ConnectorView,
  ProbeView,
  RouteView,
} from '../port/connection-admin.ts'
import type { RouteKey, RouteRow } from '../port/connection-store.ts'

/** Connections as the HTTP tests see them: one that is known, and everything is taken. */

export const knownConnection = 'twilio-main'
const at = new Date(Date.UTC(2026, 0, 1))

export function connectionView(changes: Partial<ConnectionView> = {}): ConnectionView {
  return {
    id: knownConnection,
    connector: 'twilio-sms@1',
    channel: 'SMS',
    config: { accountSid: 'AC1' },
    secretFields: ['authToken'],
    enabled: true,
    pause: null,
    source: 'api',
    createdAt: at,
    updatedAt: at,
    state: 'ready',
    problem: null,
    revision: 7,
    buckets: [{ kind: 'concurrency', limit: 20 }],
    ...changes,
  }
}

export const connectorView: ConnectorView = {
  name: 'twilio-sms@1',
  id: 'twilio-sms',
  version: 1,
  channel: 'SMS',
  display: { name: 'Twilio', docs: 'https://example.com/docs', description: null },
  recipient: { format: 'e164', help: null },
  config: [
    {
      name: 'authToken',
      type: 'string',
      label: 'Token',
      help: null,
      required: true,
      secret: true,
      enum: null,
      pattern: null,
      min: null,
      max: null,
      default: null,
    },
  ],
  canProbe: true,
  repeatable: false,
  source: 'shipped',
  file: 'twilio-sms.yaml',
}

export const routeView: RouteView = {
  channel: 'SMS',
  tag: null,
  tiers: [{ connections: [{ connection: knownConnection, weight: 1 }] }],
  tryTimeoutMs: null,
  totalTimeoutMs: 60_000,
  source: 'api',
  revision: 8,
  missing: [],
}

const probed: ProbeView = {
  outcome: 'failed',
  result: {
    class: 'config',
    rule: 'credentials',
    code: '20003',
    message: 'Authenticate',
    statusCode: 401,
    responseExcerpt: '{"code":20003}',
    providerMessageId: null,
    retryAfterMs: null,
    minDelayMs: null,
    scope: 'connection',
    throttle: null,
  },
  durationMs: 12,
}

export const bucketFigures: readonly BucketFigures[] = [
  {
    connection: knownConnection,
    bucket: { kind: 'rate', scope: 'connection', limit: 10, perMs: 1_000, burst: 1, cost: 'segments' },
    inUse: 1,
    nextInMs: 40,
    learnt: null,
  },
  {
    connection: knownConnection,
    bucket: { kind: 'rate', scope: 'recipient', limit: 1, perMs: 1_000, burst: 1, cost: 'message' },
    inUse: null,
    nextInMs: null,
    learnt: null,
  },
  {
    connection: knownConnection,
    bucket: null,
    inUse: null,
    nextInMs: 0,
    learnt: { name: 'b-1', remaining: 4, resetAfterMs: null },
  },
]

/** What was asked, in order. */
export type AdminCall =
  | readonly ['create', string, ConnectionInput]
  | readonly ['replace', string, ConnectionInput, number | null]
  | readonly ['remove', string, number | null]
  | readonly ['pause', string, { readonly code: string; readonly reason: string }]
  | readonly ['saveRoute', RouteRow, number | null]
  | readonly ['removeRoute', RouteKey, number | null]

export function fakeConnections(
  calls: AdminCall[] = [],
  maybeFail: () => void = () => undefined,
): { readonly connections: ConnectionAdmin; readonly bucketFigures: BucketFiguresReader } {
  const known = (id: string): void => {
    maybeFail()
    if (id !== knownConnection) throw new NotFoundError(`there is no connection "${id}"`)
  }
  const connections: ConnectionAdmin = {
    connectors: () => ({
      connectors: [connectorView],
      problems: [
        { file: '/c/x.yaml', line: 3, column: 1, path: 'id', message: '/c/x.yaml:3:1 id: found 7, expected a text' },
      ],
    }),
    async connections() {
      maybeFail()
      return [connectionView()]
    },
    async connection(id) {
      known(id)
      return connectionView()
    },
    async create(id, input) {
      maybeFail()
      calls.push(['create', id, input])
      return connectionView({ id, connector: input.connector, enabled: input.enabled })
    },
    async replace(id, input, revision) {
      known(id)
      calls.push(['replace', id, input, revision])
      return connectionView({ ...input, revision: 9, config: {} })
    },
    async remove(id, revision) {
      known(id)
      calls.push(['remove', id, revision])
    },
    async probe(id) {
      known(id)
      return probed
    },
    async pause(id, pause) {
      known(id)
      calls.push(['pause', id, pause])
      return connectionView({ state: 'paused', pause: { ...pause, since: at } })
    },
    async resume(id) {
      known(id)
      return connectionView()
    },
    async routes() {
      maybeFail()
      return [routeView, { ...routeView, tag: 'urgent', source: 'file', revision: null, missing: ['gone'] }]
    },
    async saveRoute(route, revision) {
      maybeFail()
      calls.push(['saveRoute', route, revision])
      return { ...routeView, ...route }
    },
    async removeRoute(key, revision) {
      maybeFail()
      calls.push(['removeRoute', key, revision])
    },
  }
  return {
    connections,
    bucketFigures: {
      async findFigures() {
        maybeFail()
        return bucketFigures
      },
    },
  }
}
