import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { DispatchError, OverloadedError } from '../domain/errors.ts'
import type { Clock } from '../port/clock.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { batchRoutes } from './batches.ts'
import { BodyBudget } from './body.ts'
import { type ConnectionDeps, connectionRoutes } from './connections.ts'
import { connectorRoutes } from './connectors.ts'
import type { AppEnv, Ctx, Route } from './context.ts'
import { docsRoutes } from './docs.ts'
import { makeKeyCheck } from './keys.ts'
import { type NotificationDeps, notificationRoutes } from './notifications.ts'
import { type ParkedDeps, parkedRoutes } from './parked.ts'
import { type ProbeDeps, probeRoutes } from './probes.ts'
import { HttpProblem, problemResponse, problems, toProblem } from './problem.ts'
import { type RateLimitDeps, rateLimitRoutes } from './rate-limits.ts'
import { routingRoutes } from './routes.ts'
import { requestIdOf } from './trace.ts'

export interface AppDeps
  extends Omit<NotificationDeps, 'budget' | 'clock'>,
    Omit<ProbeDeps, 'clock'>,
    ParkedDeps,
    Omit<ConnectionDeps, 'budget'>,
    Pick<RateLimitDeps, 'bucketFigures'> {
  readonly telemetry: Pick<Telemetry, 'httpRequest' | 'bound' | 'refused'>
  readonly logger: Logger
  readonly clock: Clock
  /** For requests that bring no usable `X-Request-ID`. */
  readonly newRequestId: () => string
}

export interface AppSettings {
  readonly version: string
  /** As `/health` shows it. */
  readonly role: string
  /** False: a worker or scheduler, which serves probes and metrics only. */
  readonly servesApi: boolean
  /** Asked for on `/v1`; null = no key. */
  readonly apiKey: string | null
  /** Origins that browsers may call from; `*` = any; empty = none. */
  readonly corsOrigins: readonly string[]
  /** Attempt budget of requests that name none. */
  readonly maxRetriesDefault: number
  readonly tenant: string
  /** Large bodies under way at once, over all requests; default {@link bodyBudgetBytesDefault}. */
  readonly bodyBudgetBytes?: number
  /** Requests under `/v1` under way at once; default {@link requestsMaxDefault}. */
  readonly requestsMax?: number
}

export const bodyBudgetBytesDefault = 128 * 1024 * 1024

/** At 10,000 requests a second, each may take half a second. */
export const requestsMaxDefault = 5_000

export type App = Hono<AppEnv>

/** The whole HTTP interface. Owns nothing that must be stopped. */
export function makeApp(deps: AppDeps, settings: AppSettings): App {
  const { logger } = deps
  const app: App = new Hono<AppEnv>()
  observe(app, deps)
  const routes = [...probeRoutes(deps, settings), ...(settings.servesApi ? apiRoutes(deps, settings) : [])]
  nameRoutes(app, routes)
  if (settings.corsOrigins.length > 0) app.use('/v1/*', allowOrigins(settings.corsOrigins))
  app.use('/v1/*', limitRequests(deps.telemetry, settings.requestsMax ?? requestsMaxDefault))
  const checkKey = makeKeyCheck(settings.apiKey)
  app.use('/v1/*', (c, next) => {
    checkKey(c)
    return next()
  })
  mount(app, routes)
  app.notFound((c) => {
    const problem = new HttpProblem('not_found', 'there is nothing at this path; GET /docs shows what there is')
    return problemResponse(c, problem)
  })
  app.onError((error, c) => failed(c, error, logger))
  return app
}

function apiRoutes(deps: AppDeps, settings: AppSettings): readonly Route[] {
  const budget = new BodyBudget(settings.bodyBudgetBytes ?? bodyBudgetBytesDefault, deps.telemetry)
  const withBudget = { ...deps, budget }
  return [
    ...docsRoutes(settings.version),
    ...batchRoutes(withBudget, settings), // before /v1/notifications/:id, which would take "batch" for an id
    ...notificationRoutes(withBudget, settings),
    ...parkedRoutes(deps),
    ...connectorRoutes(deps),
    ...connectionRoutes(withBudget),
    ...routingRoutes(withBudget),
    ...rateLimitRoutes(deps),
  ]
}

/** Probes are not counted: they must be answered above all while there is too much to do. */
function limitRequests(telemetry: Pick<Telemetry, 'bound' | 'refused'>, limit: number) {
  let inUse = 0
  return async (_c: Ctx, next: () => Promise<void>) => {
    if (inUse >= limit) {
      telemetry.refused('http_requests', 1)
      throw new OverloadedError(`${inUse} requests are under way already`)
    }
    telemetry.bound('http_requests', { inUse: ++inUse, limit })
    try {
      await next()
    } finally {
      telemetry.bound('http_requests', { inUse: --inUse, limit })
    }
  }
}

/** Before anything that may refuse, so that metrics and logs name the route of refusals too. */
function nameRoutes(app: App, routes: readonly Route[]): void {
  for (const { path } of routes) {
    app.use(path, (c, next) => {
      if (c.get('route') === undefined) c.set('route', path) // the first that matches: /batch before /:id
      return next()
    })
  }
}

function mount(app: App, routes: readonly Route[]): void {
  for (const { path, methods } of routes) {
    const allow = Object.keys(methods).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
    for (const [method, handler] of Object.entries(methods)) app.on(method, path, handler)
    app.all(path, (c) => {
      const problem = new HttpProblem('method_not_allowed', `expected ${allow.join(', ')}, found ${c.req.method}`, {
        headers: { allow: allow.join(', ') },
      })
      return problemResponse(c, problem)
    })
  }
}

const countedMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Request id, metrics and the access line: debug for what went well, since there may be thousands a second. */
function observe(app: App, { clock, telemetry, logger, newRequestId }: AppDeps): void {
  app.use(async (c, next) => {
    const startedMs = clock.monotonicMs()
    c.set('requestId', requestIdOf(c.req.header('x-request-id')) ?? newRequestId())
    await next()
    const path = c.get('route') ?? 'unmatched'
    if (path === '/metrics') return
    const method = countedMethods.has(c.req.method) ? c.req.method : 'OTHER'
    const { status } = c.res
    const durationMs = clock.monotonicMs() - startedMs
    telemetry.httpRequest({ method, path, status, durationMs })
    const fields = { method, path, status, durationMs: Math.round(durationMs), requestId: c.get('requestId') }
    if (status >= 500) logger.warn('request', fields)
    else if (status >= 400) logger.info('request', fields)
    else logger.debug('request', fields)
  })
}

function allowOrigins(origins: readonly string[]) {
  return cors({
    origin: origins.includes('*') ? '*' : [...origins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
    allowHeaders: [
      'Authorization',
      'Content-Type',
      'Idempotency-Key',
      'If-Match',
      'Prefer',
      'X-API-Key',
      'X-Request-ID',
      'traceparent',
    ],
    exposeHeaders: ['ETag', 'Idempotency-Replayed', 'Location', 'Retry-After', 'X-Request-ID'],
    maxAge: 600,
  })
}

function failed(c: Ctx, error: unknown, logger: Logger): Response {
  const problem = toProblem(error)
  const requestId = c.get('requestId')
  if (problem.code === 'internal') logger.error('request failed', { requestId, ...describeError(error) })
  else if (problems[problem.code].status >= 500 && error instanceof DispatchError) {
    logger.warn('request refused', { requestId, code: error.code, reason: error.message.slice(0, 300) })
  }
  return problemResponse(c, problem)
}

/** Name, a short message and the places in the code; never the whole object, which may hold parameters of a query. */
function describeError(error: unknown): {
  readonly errorName: string
  readonly reason: string
  readonly stack: string
} {
  if (!(error instanceof Error)) return { errorName: typeof error, reason: 'not an Error was thrown', stack: '' }
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '))
  return { errorName: error.name, reason: error.message.slice(0, 300), stack: frames.slice(0, 8).join('\n') }
}
