import type { z } from '@hono/zod-openapi'
import type { ConnectionAdmin, ConnectionView, ProbeView } from '../port/connection-admin.ts'
import { type BodyBudget, readJson, readOptionalJson, singleBodyLimits } from './body.ts'
import type { connectionSchema } from './connection-answers.ts'
import { createConnectionSchema, pauseConnectionSchema, replaceConnectionSchema } from './connection-schemas.ts'
import { answer, type Ctx, type HeaderMap, type Route } from './context.ts'
import { quote } from './describe.ts'
import { Findings } from './findings.ts'
import { invalidField } from './problem.ts'
import { readFields } from './requests.ts'
import { type Reading, reading } from './validate.ts'

export interface ConnectionDeps {
  readonly connections: ConnectionAdmin
  readonly budget: BodyBudget
}

const createReading = reading(createConnectionSchema, createConnectionSchema.partial())
const replaceReading = reading(replaceConnectionSchema, replaceConnectionSchema.partial())
const pauseReading = reading(pauseConnectionSchema, pauseConnectionSchema)

/** Connections to providers. Their secrets are written and never read. */
export function connectionRoutes(deps: ConnectionDeps): readonly Route[] {
  const { connections } = deps
  const of = (c: Ctx) => c.req.param('connection') ?? ''
  return [
    {
      path: '/v1/connections',
      methods: {
        GET: async (c) => answer(c, 200, { data: (await connections.connections()).map(toConnection) }),
        POST: (c) => create(c, deps),
      },
    },
    {
      path: '/v1/connections/:connection',
      methods: {
        GET: async (c) => answerOne(c, await connections.connection(of(c))),
        PUT: async (c) => replace(c, of(c), deps),
        async DELETE(c) {
          await connections.remove(of(c), ifRevision(c))
          return answer(c, 200, { removed: of(c) })
        },
      },
    },
    {
      path: '/v1/connections/:connection/probe',
      methods: { POST: async (c) => answer(c, 200, toProbe(await connections.probe(of(c)))) },
    },
    { path: '/v1/connections/:connection/pause', methods: { POST: (c) => pause(c, of(c), deps) } },
    {
      path: '/v1/connections/:connection/resume',
      methods: { POST: async (c) => answerOne(c, await connections.resume(of(c))) },
    },
  ]
}

async function create(c: Ctx, { connections, budget }: ConnectionDeps): Promise<Response> {
  const { id, connector, config = {}, enabled = true } = await readWhole(c, createReading, budget)
  if (id === undefined || connector === undefined) throw notWhole()
  const view = await connections.create(id, { connector, config, enabled })
  return answerOne(c, view, 201, { location: `/v1/connections/${id}` })
}

async function replace(c: Ctx, id: string, { connections, budget }: ConnectionDeps): Promise<Response> {
  const { connector, config, enabled } = await readWhole(c, replaceReading, budget)
  if (config === undefined) throw notWhole()
  const known = connector === undefined || enabled === undefined ? await connections.connection(id) : null
  const input = {
    connector: connector ?? known?.connector ?? '',
    config,
    enabled: enabled ?? known?.enabled ?? true,
  }
  return answerOne(c, await connections.replace(id, input, ifRevision(c)))
}

async function pause(c: Ctx, id: string, { connections, budget }: ConnectionDeps): Promise<Response> {
  const body = (await readOptionalJson(c, singleBodyLimits, budget)) ?? {}
  const { code = 'operator', reason = 'paused by an operator' } = parse(body, pauseReading)
  return answerOne(c, await connections.pause(id, { code, reason }))
}

/** A JSON body, whole. Unknown fields are errors: what was meant by a misspelt setting would be lost. */
export async function readWhole<T>(c: Ctx, how: Reading<T>, budget: BodyBudget): Promise<T> {
  return parse(await readJson(c, singleBodyLimits, budget), how)
}

function parse<T>(body: unknown, how: Reading<T>): T {
  const findings = new Findings()
  const fields = readFields(body, how, [], true, findings)
  findings.throwIfAny()
  if (fields === null) throw notWhole()
  return fields
}

/** A bug: what is missing or wrong is found when the body is read. */
export function notWhole(): Error {
  return new Error('a body without findings must be whole')
}

/** `If-Match` as a revision; null for none or `*`. @throws HttpProblem 400 */
export function ifRevision(c: Ctx): number | null {
  const header = c.req.header('if-match')?.trim() ?? ''
  if (header === '' || header === '*') return null
  const revision = /^"(\d{1,9})"$/.exec(header)?.[1]
  if (revision !== undefined) return Number(revision)
  throw invalidField('If-Match', 'invalid_header', `expected one ETag such as "12" or *, found ${quote(header, 40)}`)
}

export function etag(revision: number | null): HeaderMap {
  return revision === null ? {} : { etag: `"${revision}"` }
}

function answerOne(c: Ctx, view: ConnectionView, status = 200, headers: HeaderMap = {}): Response {
  return answer(c, status, toConnection(view), { ...etag(view.revision), ...headers })
}

function toConnection(view: ConnectionView): z.input<typeof connectionSchema> {
  const { id, connector, channel, config, secretFields, enabled, state, pause: paused, problem } = view
  return {
    id,
    connector,
    channel,
    config: { ...config },
    secrets: [...secretFields],
    enabled,
    state,
    ...(paused !== null && { paused: { ...paused, since: paused.since.toISOString() } }),
    ...(problem !== null && { problem }),
    source: view.source,
    ...(view.revision !== null && { revision: view.revision }),
    buckets: [...view.buckets],
    createdAt: view.createdAt.toISOString(),
    updatedAt: view.updatedAt.toISOString(),
  }
}

function toProbe({ outcome, result, durationMs }: ProbeView) {
  return {
    outcome,
    class: result?.class,
    rule: result?.rule ?? undefined,
    code: result?.code ?? undefined,
    message: result?.message ?? undefined,
    statusCode: result?.statusCode ?? undefined,
    responseExcerpt: result?.responseExcerpt ?? undefined,
    durationMs,
  }
}
