import { z } from 'zod'
import type { AcceptedRequest, AcceptInput, AcceptRequest } from '../dispatch/accept.ts'
import type { KeysetQuery, OffsetQuery } from '../dispatch/query.ts'
import type { ReplayCommand } from '../dispatch/replay.ts'
import type { Attempt } from '../domain/attempt.ts'
import { NotFoundError } from '../domain/errors.ts'
import { defaultTenant, type Notification } from '../domain/notification.ts'
import type { HealthCheck, QueueFigures } from '../port/health.ts'
import type { NotificationFilter } from '../port/notification-store.ts'
import type { LogFields, Logger, Telemetry } from '../port/telemetry.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { type AppDeps, type AppSettings, makeApp } from './app.ts'
import { fakeConnections } from './connections.suite.ts'
import { Readiness } from './health.ts'

/** The world of the HTTP tests: the whole app over use cases that answer as told. */

export const nowMs = Date.UTC(2026, 0, 1)
export const knownId = '019b76da-a800-7000-8000-000000000001'
export const unknownId = '019b76da-a800-7000-8000-00000000ffff'
export const batchId = '019b76da-a800-7000-8000-00000000b000'

export const plain = { channel: 'SMS', recipient: '+905551234567', content: 'hello' }

export function notification(changes: Partial<Notification> = {}): Notification {
  return {
    id: knownId,
    channel: 'SMS',
    priority: 'NORMAL',
    batchId: null,
    correlationId: 'corr-1',
    idempotencyKey: null,
    recipient: '+905551234567',
    content: 'hello',
    title: null,
    html: null,
    data: null,
    provider: null,
    status: 'QUEUED',
    providerMessageId: null,
    attemptCount: 0,
    maxRetries: 5,
    generation: 0,
    outcomeUnknown: false,
    scheduledAt: null,
    nextRetryAt: null,
    expiresAt: new Date(nowMs + 86_400_000),
    createdAt: new Date(nowMs),
    updatedAt: new Date(nowMs),
    tags: [],
    metadata: null,
    lastError: null,
    ...changes,
  }
}

export const attempt: Attempt = {
  number: 1,
  generation: 0,
  provider: 'webhook',
  connection: null,
  connector: null,
  rule: null,
  outcome: 'transient',
  late: false,
  statusCode: 503,
  error: { code: 'http_503', message: 'the target answered 503' },
  responseExcerpt: 'busy',
  durationMs: 12,
  startedAt: new Date(nowMs),
  finishedAt: new Date(nowMs + 12),
  nextRetryAt: new Date(nowMs + 1_012),
}

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: LogFields
}

export function memoryLogger(lines: LogLine[]): Logger {
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      lines.push({ level, message, fields })
    }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => memoryLogger(lines),
  }
}

type HttpRequest = Parameters<Telemetry['httpRequest']>[0]

export interface ListCall {
  readonly filter: NotificationFilter
  readonly query: OffsetQuery | KeysetQuery
}

export const figures: QueueFigures = { depth: [], oldestDueAgeSeconds: 0, oldestDueAgeSecondsByChannel: {} }

export const problemAnswer = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  error: z.string(),
  requestId: z.string(),
  errors: z.array(z.object({ path: z.string(), code: z.string(), message: z.string() })).default([]),
  warnings: z.array(z.object({ path: z.string(), code: z.string(), message: z.string() })).default([]),
})

function storedAs(request: AcceptRequest, input: AcceptInput, index: number): Notification {
  const id = `019b76da-a800-7000-8000-${String(index + 1).padStart(12, '0')}`
  const status = (input.scheduledAt?.getTime() ?? 0) > nowMs ? 'ACCEPTED' : 'QUEUED'
  const expiresAt = input.expiresAt ?? new Date(nowMs + 86_400_000)
  return notification({ ...input, id, status, expiresAt, batchId: request.kind === 'batch' ? batchId : null })
}

export interface World {
  readonly settings?: Partial<AppSettings>
  readonly deps?: Partial<AppDeps>
  /** Thrown by every use case. */
  readonly failure?: Error
}

export function setup({ settings = {}, deps = {}, failure }: World = {}) {
  const accepted: AcceptRequest[] = []
  const listed: ListCall[] = []
  const replayed: ReplayCommand[] = []
  const requests: HttpRequest[] = []
  const lines: LogLine[] = []
  const clock = new ManualClock(nowMs)
  const readiness = new Readiness()
  const maybeFail = () => {
    if (failure !== undefined) throw failure
  }
  const find = (id: string): Notification => {
    maybeFail()
    if (id !== knownId) throw new NotFoundError(`no notification ${id}`)
    return notification()
  }
  const check = (name: HealthCheck['name']): HealthCheck => ({ name, check: () => Promise.resolve() })
  const app = makeApp(
    {
      async accept(request): Promise<AcceptedRequest> {
        maybeFail()
        accepted.push(request)
        return {
          batchId: request.kind === 'batch' ? batchId : null,
          notifications: request.items.map((item, index) => ({
            notification: storedAs(request, item, index),
            duplicate: false,
          })),
        }
      },
      findRefusedLimit: () => null,
      async cancel(_tenant, id) {
        find(id)
      },
      async replay(command) {
        replayed.push(command)
        return { ...find(command.id), generation: 1 }
      },
      queries: {
        getById: async (_tenant, id) => find(id),
        async findAttempts(_tenant, id) {
          find(id)
          return [attempt]
        },
        async listByOffset(_tenant, filter, query) {
          maybeFail()
          listed.push({ filter, query })
          return { rows: [notification()], total: query.total === 'none' ? null : 1 }
        },
        async listByKeyset(_tenant, filter, query) {
          listed.push({ filter, query })
          return { rows: [notification()], hasOlder: true, hasNewer: query.position !== null }
        },
        async getBatch(_tenant, id) {
          maybeFail()
          if (id !== batchId) throw new NotFoundError(`no batch ${id}`)
          return { batchId: id, totalCount: 2, status: 'PROCESSING', counts: [{ status: 'QUEUED', count: 2 }] }
        },
      },
      checks: [check('postgres'), check('redis'), check('rabbitmq')],
      heartbeat: { findWorkers: async () => [], queueFigures: async () => figures },
      metricsText: async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: 'up 1\n' }),
      readiness,
      dispatchWithout: () => [],
      ...fakeConnections([], maybeFail),
      parked: { list: async () => ({ total: 0, messages: [] }), drop: async () => 0 },
      telemetry: {
        bound: () => undefined,
        refused: () => undefined,
        httpRequest: (request) => {
          requests.push(request)
        },
      },
      logger: memoryLogger(lines),
      clock,
      newRequestId: () => 'made-id',
      ...deps,
    },
    {
      version: '0.1.0',
      role: 'all',
      servesApi: true,
      apiKey: null,
      corsOrigins: [],
      maxRetriesDefault: 5,
      tenant: defaultTenant,
      ...settings,
    },
  )

  async function send(path: string, init: RequestInit = {}): Promise<Response> {
    return app.request(path, init)
  }
  async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return send(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  }
  return { app, send, post, accepted, listed, replayed, requests, lines, clock, readiness }
}

/** A problem, checked for its shape. */
export async function problemOf(response: Response) {
  const problem = problemAnswer.parse(await response.json())
  if (response.headers.get('content-type')?.startsWith('application/problem+json') !== true) {
    throw new Error(`not a problem: ${response.headers.get('content-type')}`)
  }
  if (problem.status !== response.status || problem.error !== problem.detail)
    throw new Error('a problem contradicts itself')
  return problem
}
