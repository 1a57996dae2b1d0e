import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { DispatchError, OverloadedError } from '../domain/errors.ts'
import type { Clock } from '../port/clock.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { batchRoutes } from './batches.ts'
import { BodyBudget } from './body.ts'
import { type ConnectionDeps, connectionRoutes } from './connections.ts'
import { connectorRoutes } from './connectors.ts'
import type { AppEnv, Ctx, Handler, Route } from './context.ts'
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
  const routes = [...probeRoutes(deps, settings), ...(settings.servesApi ? apiRoutes(deps, settings) : [])]
  const guarded = makeGuard(deps, settings)
  const app: App = new Hono<AppEnv>()
  const rest: App = new Hono<AppEnv>()
  for (const { path, methods } of routes) {
    const refuse = guarded(path, methodRefusal(Object.keys(methods)))
    for (const [method, handler] of Object.entries(methods)) app.on(method, path, guarded(path, handler))
    // In an app of its own: a request that one handler alone takes goes through no chain.
    rest.all(path, refuse)
    // But /batch must not be taken for an id.
    if (routes.some((other) => other.path !== path && isMatch(other.path, path))) app.all(path, refuse)
  }
  rest.notFound(guarded(null, pathRefusal))
  app.notFound((c) => rest.fetch(c.req.raw, c.env))
  app.onError((error, c) => failed(c, error, deps.logger))
  return app
}

function isMatch(pattern: string, path: string): boolean {
  const parts = path.split('/')
  const wanted = pattern.split('/')
  return wanted.length === parts.length && wanted.every((one, at) => one.startsWith(':') || one === parts[at])
}

function methodRefusal(methods: readonly string[]): Handler {
  const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ')
  return (c) => {
    const problem = new HttpProblem('method_not_allowed', `expected ${allow}, found ${c.req.method}`, {
      headers: { allow },
    })
    return problemResponse(c, problem)
  }
}

function pathRefusal(c: Ctx): Response {
  const problem = new HttpProblem('not_found', 'there is nothing at this path; GET /docs shows what there is')
  return problemResponse(c, problem)
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

/** What every request goes through, around the handler of its path; null = no path of ours. */
type Guard = (path: string | null, handler: Handler) => (c: Ctx) => Promise<Response>

const countedMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/**
 * Request id, bound, key, metrics and the access line (debug for what went well, since there may be thousands a second):
 * one function around each handler, not a chain of middleware, which costs more than all of them. Metrics and logs name
 * the route of refusals too.
 */
function makeGuard(deps: AppDeps, settings: AppSettings): Guard {
  const { clock, logger } = deps
  const enter = limitRequests(deps.telemetry, settings.requestsMax ?? requestsMaxDefault)
  const checkKey = makeKeyCheck(settings.apiKey)
  const origins = settings.corsOrigins.length > 0 ? allowOrigins(settings.corsOrigins) : null

  async function serve(c: Ctx, handler: Handler): Promise<Response> {
    if (!c.req.path.startsWith('/v1/')) return handler(c) // probes must be answered above all while there is too much to do
    const leave = enter()
    try {
      checkKey(c)
      return await handler(c)
    } finally {
      leave()
    }
  }

  async function answered(c: Ctx, handler: Handler): Promise<Response> {
    try {
      return await serve(c, handler)
    } catch (error) {
      return failed(c, error, logger)
    }
  }

  async function withOrigins(c: Ctx, handler: Handler): Promise<Response> {
    if (origins === null || !c.req.path.startsWith('/v1/')) return answered(c, handler)
    const preflight = await origins(c, async () => void (c.res = await answered(c, handler)))
    return preflight ?? c.res
  }

  return (path, handler) => async (c) => {
    const startedMs = clock.monotonicMs()
    c.set('requestId', requestIdOf(c.req.header('x-request-id')) ?? deps.newRequestId())
    const response = await withOrigins(c, handler)
    if (path !== '/metrics') observe(deps, c, path ?? 'unmatched', response.status, clock.monotonicMs() - startedMs)
    return response
  }
}

function observe({ telemetry, logger }: AppDeps, c: Ctx, path: string, status: number, durationMs: number): void {
  const method = countedMethods.has(c.req.method) ? c.req.method : 'OTHER'
  telemetry.httpRequest({ method, path, status, durationMs })
  const fields = { method, path, status, durationMs: Math.round(durationMs), requestId: c.get('requestId') }
  if (status >= 500) logger.warn('request', fields)
  else if (status >= 400) logger.info('request', fields)
  else logger.debug('request', fields)
}

/** @returns what takes one more request in, or refuses it; and that, what lets it go again. */
function limitRequests(telemetry: Pick<Telemetry, 'bound' | 'refused'>, limit: number): () => () => void {
  let inUse = 0
  const change = (by: number) => {
    inUse += by
    telemetry.bound('http_requests', { inUse, limit })
  }
  const leave = () => change(-1)
  return () => {
    if (inUse >= limit) {
      telemetry.refused('http_requests', 1)
      throw new OverloadedError(`${inUse} requests are under way already`)
    }
    change(1)
    return leave
  }
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
