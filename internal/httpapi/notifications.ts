import type { Accept, AcceptedNotification } from '../dispatch/accept.ts'
import type { FindRefusedLimit } from '../dispatch/accept-limits.ts'
import type { Cancel } from '../dispatch/cancel.ts'
import type { Queries } from '../dispatch/query.ts'
import type { Replay } from '../dispatch/replay.ts'
import type { Clock } from '../port/clock.ts'
import { type BodyBudget, readJson, readOptionalJson, singleBodyLimits } from './body.ts'
import { answer, type Ctx, type Route } from './context.ts'
import { Findings } from './findings.ts'
import { list } from './list.ts'
import { invalidField } from './problem.ts'
import { readQuery } from './query.ts'
import { idempotencyHeader, prefersStrict, type RequestContext, readNotification, readReplay } from './requests.ts'
import { toAttempt, toResource } from './resource.ts'
import { batchIdSchema, getSchema, notificationIdSchema } from './schemas.ts'
import { traceparent } from './trace.ts'
import { reading } from './validate.ts'

export interface NotificationDeps {
  readonly accept: Accept
  readonly cancel: Cancel
  readonly replay: Replay
  readonly queries: Queries
  readonly clock: Pick<Clock, 'now'>
  readonly budget: BodyBudget
  readonly findRefusedLimit: FindRefusedLimit
}

export interface NotificationSettings {
  readonly tenant: string
  /** Attempt budget of requests that name none. */
  readonly maxRetriesDefault: number
}

const getReading = reading(getSchema, getSchema)

export function notificationRoutes(deps: NotificationDeps, settings: NotificationSettings): readonly Route[] {
  const { queries } = deps
  const { tenant } = settings
  return [
    {
      path: '/v1/notifications',
      methods: { POST: (c) => create(c, deps, settings), GET: (c) => list(c, queries, tenant) },
    },
    { path: '/v1/notifications/:id', methods: { GET: (c) => get(c, queries, tenant) } },
    {
      path: '/v1/notifications/:id/attempts',
      methods: {
        async GET(c) {
          const attempts = await queries.findAttempts(tenant, idParam(c))
          return answer(c, 200, { data: attempts.map(toAttempt) })
        },
      },
    },
    {
      path: '/v1/notifications/:id/cancel',
      methods: {
        async POST(c) {
          const id = idParam(c)
          await deps.cancel(tenant, id)
          return answer(c, 200, { notificationId: id, status: 'CANCELED' })
        },
      },
    },
    { path: '/v1/notifications/:id/replay', methods: { POST: (c) => replay(c, deps, tenant) } },
  ]
}

async function create(c: Ctx, deps: NotificationDeps, settings: NotificationSettings): Promise<Response> {
  const context = requestContext(c, deps, settings, idempotencyHeader(c))
  const findings = new Findings()
  const item = readNotification(await readJson(c, singleBodyLimits, deps.budget), [], context, findings)
  findings.throwIfAny()
  if (item === null) throw new Error('a request without findings must be whole')
  const { tenant } = settings
  const accepted = await deps.accept({ tenant, kind: 'single', items: [item], traceparent: traceparent(c) })
  const [one] = accepted.notifications
  if (one === undefined) throw new Error('accept answered no notification for one')
  const body = { ...toAccepted(one), ...(findings.warnings.length > 0 && { warnings: findings.warnings }) }
  return answer(c, 202, body, {
    location: `/v1/notifications/${one.notification.id}`,
    ...(one.duplicate && { 'idempotency-replayed': 'true' }),
  })
}

export function toAccepted({ notification, duplicate }: AcceptedNotification) {
  return { ...toResource(notification), ...(duplicate && { duplicate }) }
}

export function requestContext(
  c: Ctx,
  { clock, findRefusedLimit }: Pick<NotificationDeps, 'clock' | 'findRefusedLimit'>,
  { maxRetriesDefault }: NotificationSettings,
  idempotencyKey: string | null,
): RequestContext {
  const nowMs = clock.now().getTime()
  const strict = prefersStrict(c)
  return { requestId: c.get('requestId'), idempotencyKey, nowMs, maxRetriesDefault, strict, findRefusedLimit }
}

async function get(c: Ctx, queries: Queries, tenant: string): Promise<Response> {
  const id = idParam(c)
  const { query } = readQuery(c, getReading)
  const notification = toResource(await queries.getById(tenant, id))
  if (query.include === undefined) return answer(c, 200, notification)
  const attempts = await queries.findAttempts(tenant, id)
  return answer(c, 200, { ...notification, attempts: attempts.map(toAttempt) })
}

async function replay(c: Ctx, deps: NotificationDeps, tenant: string): Promise<Response> {
  const id = idParam(c)
  const findings = new Findings()
  const force = readReplay(await readOptionalJson(c, singleBodyLimits, deps.budget), prefersStrict(c), findings)
  findings.throwIfAny()
  const notification = toResource(await deps.replay({ tenant, id, force }))
  const body = { ...notification, ...(findings.warnings.length > 0 && { warnings: findings.warnings }) }
  return answer(c, 202, body, { location: `/v1/notifications/${id}` })
}

/** @throws HttpProblem 400 when it is not a UUID. */
function idParam(c: Ctx): string {
  return uuidParam(c, 'id', notificationIdSchema)
}

export function batchIdParam(c: Ctx): string {
  return uuidParam(c, 'batchId', batchIdSchema)
}

function uuidParam(c: Ctx, name: string, schema: typeof notificationIdSchema): string {
  const parsed = schema.safeParse(c.req.param(name))
  if (parsed.success) return parsed.data
  throw invalidField(name, 'invalid_id', parsed.error.issues[0]?.message ?? 'expected a UUID')
}
