import { createRoute, OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi'
import { type Documented, json, refusals, writing } from './documented.ts'
import { connectionOperations } from './openapi-connections.ts'
import * as answers from './response-schemas.ts'
import { problemSchema } from './response-schemas.ts'
import {
  batchIdSchema,
  batchSchema,
  commonHeaders,
  createHeaders,
  createSchema,
  getSchema,
  listSchema,
  notificationIdSchema,
  parkedDropSchema,
  parkedListSchema,
  replaySchema,
} from './schemas.ts'

const id = z.object({ id: notificationIdSchema })
const createAndCommonHeaders = createHeaders.extend(commonHeaders.shape)
const acceptHeaders = z.object({
  Location: z.string().openapi({ description: 'Where to look for it.' }),
  'Idempotency-Replayed': z.string().optional().openapi({ description: '`true` when it was stored before.' }),
})

const notificationRoutes: readonly Documented[] = [
  {
    method: 'post',
    path: '/v1/notifications',
    id: 'createNotification',
    tag: 'Notifications',
    summary: 'Accept one notification. When 202 comes back it is stored and will not be lost.',
    request: { headers: createAndCommonHeaders, body: json(createSchema) },
    answer: { status: 202, text: 'Stored.', schema: answers.acceptedSchema },
    headers: acceptHeaders,
    refusals: [...writing, 422],
  },
  {
    method: 'get',
    path: '/v1/notifications',
    id: 'listNotifications',
    tag: 'Notifications',
    summary: 'List, newest first, by page number or by cursor.',
    request: { query: listSchema },
    answer: { status: 200, text: 'One page.', schema: answers.listAnswerSchema },
    refusals: [400, 401, 503],
  },
  {
    method: 'get',
    path: '/v1/notifications/{id}',
    id: 'getNotification',
    tag: 'Notifications',
    summary: 'Read one notification.',
    request: { params: id, query: getSchema },
    answer: { status: 200, text: 'As it is now.', schema: answers.notificationWithAttemptsSchema },
    refusals: [400, 401, 404, 503],
  },
  {
    method: 'get',
    path: '/v1/notifications/{id}/attempts',
    id: 'listAttempts',
    tag: 'Notifications',
    summary: 'Every attempt to send it, first to last.',
    request: { params: id },
    answer: { status: 200, text: 'The attempts.', schema: answers.attemptsAnswerSchema },
    refusals: [400, 401, 404, 503],
  },
  {
    method: 'post',
    path: '/v1/notifications/{id}/cancel',
    id: 'cancelNotification',
    tag: 'Notifications',
    summary: 'Withdraw it, as long as no worker has claimed it.',
    request: { params: id },
    answer: { status: 200, text: 'Withdrawn.', schema: answers.canceledSchema },
    refusals: [400, 401, 404, 409, 503],
  },
  {
    method: 'post',
    path: '/v1/notifications/{id}/replay',
    id: 'replayNotification',
    tag: 'Notifications',
    summary: 'Send a FAILED one again, with a new attempt budget.',
    request: { params: id, headers: commonHeaders, body: { ...json(replaySchema), required: false } },
    answer: { status: 202, text: 'Queued again.', schema: answers.acceptedSchema },
    headers: acceptHeaders.pick({ Location: true }),
    refusals: [...writing, 404, 409],
  },
  {
    method: 'post',
    path: '/v1/notifications/batch',
    id: 'createBatch',
    tag: 'Batches',
    summary: 'Accept 1 to 1,000 notifications, all or none.',
    request: { headers: commonHeaders, body: json(batchSchema) },
    answer: { status: 202, text: 'Stored.', schema: answers.acceptedBatchSchema },
    headers: acceptHeaders,
    refusals: [...writing, 422],
  },
  {
    method: 'get',
    path: '/v1/batches/{batchId}',
    id: 'getBatch',
    tag: 'Batches',
    summary: 'How far a batch has come.',
    request: { params: z.object({ batchId: batchIdSchema }) },
    answer: { status: 200, text: 'Counts per status.', schema: answers.batchViewSchema },
    refusals: [400, 401, 404, 503],
  },
]

const parkedRoutes: readonly Documented[] = [
  {
    method: 'get',
    path: '/v1/parked',
    id: 'listParked',
    tag: 'Operations',
    summary: 'Broker messages that nobody could read. Looking does not take them.',
    request: { query: parkedListSchema },
    answer: { status: 200, text: 'The oldest of them.', schema: answers.parkedListAnswerSchema },
    refusals: [400, 401, 503],
  },
  {
    method: 'delete',
    path: '/v1/parked',
    id: 'dropParked',
    tag: 'Operations',
    summary: 'Drop parked messages: the oldest `count`, or `all=true`. No notification is lost with them.',
    request: { query: parkedDropSchema },
    answer: { status: 200, text: 'How many went.', schema: answers.parkedDroppedSchema },
    refusals: [400, 401, 503],
  },
]

const forAccept = z.object({
  for: z.enum(['accept']).optional().openapi({ description: 'Asks only for what accepting needs: PostgreSQL.' }),
})

interface Probe extends Omit<Documented, 'method' | 'tag' | 'answer'> {
  readonly schema: z.ZodType
  /** What a 503 means; the body has the same shape. */
  readonly failing?: string
}

const probes: readonly Probe[] = [
  { path: '/livez', id: 'livez', summary: 'Is the process alive?', schema: answers.aliveSchema, open: true },
  {
    path: '/readyz',
    id: 'readyz',
    summary: 'Can it do its work?',
    request: { query: forAccept },
    schema: answers.readySchema,
    failing: 'A dependency is away, or the process is stopping.',
    refusals: [400],
    open: true,
  },
  {
    path: '/health',
    id: 'health',
    summary: 'How it is, for people.',
    schema: answers.healthSchema,
    failing: 'PostgreSQL is away.',
    open: true,
  },
  {
    path: '/v1/queue/heartbeat',
    id: 'queueHeartbeat',
    summary: 'Do workers live, and do they keep up?',
    schema: answers.heartbeatSchema,
    failing:
      'Work waits and no worker was seen for 30 s, or PostgreSQL is away; a problem when too many requests wait.',
    refusals: [401],
  },
]

/** OpenAPI 3.1, from the schemas that validate. */
export function openApiDocument(version: string) {
  const registry = new OpenAPIHono().openAPIRegistry
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  registry.registerComponent('securitySchemes', 'apiKey', { type: 'apiKey', in: 'header', name: 'X-API-Key' })
  for (const route of [...notificationRoutes, ...connectionOperations, ...parkedRoutes])
    registry.registerPath(toRoute(route))
  for (const probe of probes) registry.registerPath(probeRoute(probe))
  registry.registerPath(
    createRoute({
      method: 'get',
      path: '/metrics',
      operationId: 'metrics',
      tags: ['Operations'],
      summary: 'Prometheus text.',
      security: [],
      responses: { 200: { description: 'All metrics.', content: { 'text/plain': { schema: z.string() } } } },
    }),
  )
  const holder = new OpenAPIHono()
  holder.openAPIRegistry = registry
  return holder.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Dispatch Engine',
      version,
      description:
        'Accepts notifications, stores them, and delivers them with retries. Errors are `application/problem+json` with a stable `code`; besides those listed, any path may answer 404, 405 with `Allow`, and to what is not sound HTTP 400, 408, 417 or 431. Answers carry `X-Request-ID`; a valid `traceparent` is carried on.',
      license: { name: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [{ name: 'Notifications' }, { name: 'Batches' }, { name: 'Connections' }, { name: 'Operations' }],
    security: [{}, { bearer: [] }, { apiKey: [] }],
  })
}

function toRoute(route: Documented): RouteConfig {
  const { method, path, id: operationId, tag, summary, request, open } = route
  const { status, text, schema } = route.answer
  const answered = {
    description: text,
    content: { 'application/json': { schema } },
    ...(route.headers !== undefined && { headers: route.headers }),
  }
  const responses: RouteConfig['responses'] = { [status]: answered }
  for (const code of route.refusals ?? []) responses[code] = problemAnswer(refusals[code])
  return createRoute({
    method,
    path,
    operationId,
    tags: [tag],
    summary,
    ...(request !== undefined && { request }),
    ...(open === true && { security: [] }),
    responses,
  })
}

function probeRoute({ schema, failing, ...probe }: Probe): RouteConfig {
  const route = toRoute({ ...probe, method: 'get', tag: 'Operations', answer: { status: 200, text: 'Yes.', schema } })
  if (failing === undefined) return route
  const overloaded = probe.open === true ? {} : problemAnswer(failing).content // the limit of requests is on /v1
  const failed = { description: failing, content: { 'application/json': { schema }, ...overloaded } }
  return { ...route, responses: { ...route.responses, 503: failed } }
}

function problemAnswer(description: string) {
  return { description, content: { 'application/problem+json': { schema: problemSchema } } }
}
