import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuzzSeed, type Overrides, spoilt, text, time, valid } from '../testkit/openapi-arbitraries.ts'
import { type JsonSchema, type OpenApi, type Operation, readOpenApi, violations } from '../testkit/openapi-document.ts'
import { problemAnswer } from './app.suite.ts'
import { knownConnection } from './connections.suite.ts'
import { encodeCursor } from './cursor.ts'
import { isObject } from './requests.ts'

/** Requests drawn from the published document, held against the answers that the document promises. */

/** By the name of the path parameter: something that exists. Others are drawn too. */
export type KnownIds = Readonly<Record<string, string>>

export interface FuzzTarget {
  send(path: string, init: RequestInit): Promise<Response>
  readonly ids: KnownIds
  /** Operations that can only refuse here, for want of something in the right state. */
  readonly refusesAll?: readonly string[]
  close(): Promise<void>
}

export interface Drawn {
  readonly path: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array<ArrayBuffer> | null
}

export const api: OpenApi = readOpenApi()

export function operationOf(id: string): Operation {
  const found = api.operations.find(({ operationId }) => operationId === id)
  if (found === undefined) throw new Error(`the document has no ${id}`)
  return found
}

const metadata = fc
  .dictionary(
    text(1, 10),
    fc.oneof(
      text(0, 30),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.array(fc.maxSafeInteger()),
    ),
    { maxKeys: 4 },
  )
  .filter((value) => !Object.keys(value).some((key) => ['__proto__', 'constructor', 'prototype'].includes(key)))

/** What the document says in words only. */
const overrides: Overrides = {
  content: text(1, 160), // the least of the channels
  metadata,
  scheduledAt: time(new Date('1971-01-01T00:00:00Z'), new Date('2400-01-01T00:00:00Z')),
  expiresAt: time(new Date('2500-01-01T00:00:00Z'), new Date('2900-01-01T00:00:00Z')),
  from: time(new Date('1971-01-01T00:00:00Z'), new Date('2200-01-01T00:00:00Z')),
  to: time(new Date('2300-01-01T00:00:00Z'), new Date('2900-01-01T00:00:00Z')),
  cursor: fc.constant(''),
  'Idempotency-Key': fc.stringMatching(/^[!-~]{1,255}$/),
  'X-Request-ID': fc.stringMatching(/^[!-~]{1,128}$/),
  'If-Match': fc.constantFrom('*', '"7"'),
  Prefer: fc.constantFrom('handling=lenient', 'respond-async', 'handling=strict'),
}

/** For each kind of channel a recipient; {@link fitted} takes the one that fits. */
const recipients = fc.record({
  number: fc
    .tuple(fc.constantFrom('+1 ', '+1-', '+49 1', '+90'), fc.integer({ min: 5_550_000_000, max: 5_559_999_999 }))
    .map((parts) => parts.join('')),
  address: fc
    .tuple(fc.stringMatching(/^[\w.+-]{1,40}$/), fc.constantFrom('example.com', 'münchen.example', 'localhost'))
    .map((parts) => parts.join('@')),
  other: text(1, 500),
})
const bodyOverrides: Overrides = { ...overrides, recipient: recipients, html: text(1, 500), data: metadata }

/** Rules between the channel and other fields, which the schema has in words only. */
function fitted(body: unknown): unknown {
  if (!isObject(body)) return body
  const { notifications, recipient, html, ...others } = body
  if (Array.isArray(notifications)) return { ...others, notifications: notifications.map(fitted) }
  if (!isObject(recipient)) return body
  const { channel, data, ...rest } = others
  if (channel === 'SMS') return { ...rest, channel, recipient: recipient['number'] }
  if (channel === 'EMAIL') return { ...rest, channel, recipient: recipient['address'], html }
  return { ...rest, channel, recipient: recipient['other'], data }
}

function validBody(schema: JsonSchema): fc.Arbitrary<unknown> {
  return valid(api, schema, bodyOverrides).map(fitted)
}

/** Groups of parameters of which a request brings one. */
const exclusive: Readonly<Record<string, readonly (readonly string[])[]>> = {
  listNotifications: [
    ['page', 'pageSize', 'total'],
    ['limit', 'cursor'],
  ],
  dropParked: [['count'], ['all']],
}
/** Without any parameter they are refused. */
const needsParameters: ReadonlySet<string> = new Set(['dropParked'])

export function validRequest(operation: Operation, ids: KnownIds): fc.Arbitrary<Drawn> {
  const { operationId, method, parameters, requestBody } = operation
  const schema = requestBody?.content['application/json']?.schema
  const body = schema === undefined ? fc.constant(undefined) : validBody(schema)
  const values = Object.fromEntries(
    parameters.map(({ name, in: place, schema: one }) => [
      name,
      overrides[name] ??
        (place === 'path'
          ? one.enum === undefined
            ? fc.oneof({ weight: 4, arbitrary: fc.constant(ids[name] ?? knownConnection) }, fc.uuid())
            : valid(api, one, overrides)
          : valid(api, one, overrides)),
    ]),
  )
  const requiredKeys = parameters
    .filter(({ required }) => required || needsParameters.has(operationId))
    .map(({ name }) => name)
  const drawn = fc.tuple(
    fc.record(values, { requiredKeys }),
    body,
    fc.constantFrom(...(exclusive[operationId] ?? [[]])),
    fc.boolean(),
  )
  return drawn.map(([given, content, excluded, withBody]) => {
    const of = (place: string) =>
      parameters
        .filter(({ name, in: where }) => where === place && given[name] !== undefined)
        .map(({ name }) => [name, String(given[name])] as const)
    const path = of('path').reduce((at, [name, value]) => at.replace(`{${name}}`, value), operation.path)
    const query = of('query').filter(([name]) => !excluded.some((one) => one === name))
    const headers = Object.fromEntries(of('header'))
    const bodyText = content === undefined || !(withBody || requestBody?.required) ? null : JSON.stringify(content)
    if (bodyText?.includes('"idempotencyKey":')) delete headers['Idempotency-Key'] // two keys contradict each other
    return {
      path: query.length === 0 ? path : `${path}?${new URLSearchParams(Object.fromEntries(query)).toString()}`,
      method,
      headers: bodyText === null ? headers : { ...headers, 'content-type': 'application/json' },
      body: bodyText,
    }
  })
}

export async function sendTo(target: Pick<FuzzTarget, 'send'>, { path, ...init }: Drawn): Promise<Response> {
  return target.send(path, init)
}

/** Fails unless the document promises this answer to `operation`. Gives its JSON. */
export async function checkByContract(operation: Operation, response: Response): Promise<unknown> {
  const { status } = response
  const documented = operation.responses[String(status)]
  const type = response.headers.get('content-type')?.split(';')[0] ?? ''
  const body = await response.text()
  const shown = `${operation.operationId} → ${status} ${type} ${body.slice(0, 300)}`
  const schema = documented?.content[type]?.schema
  if (schema === undefined) throw new Error(`not in the document: ${shown}`)
  if (!type.endsWith('json')) return body
  const found = violations(api, schema, JSON.parse(body))
  if (found.length > 0) throw new Error(`not as documented (${found.join('; ')}): ${shown}`)
  if (type === 'application/problem+json') checkProblem(response, body)
  return JSON.parse(body)
}

/** The rules of problems that no schema states. */
function checkProblem(response: Response, body: string): void {
  const problem = problemAnswer.parse(JSON.parse(body))
  expect([problem.status, problem.requestId]).toEqual([response.status, response.headers.get('x-request-id')])
  expect(problem.error).toBe(problem.detail)
  expect(problem.errors.every(({ path, code, message }) => path !== '' && code !== '' && message !== '')).toBe(true)
  if (response.status === 503) expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
  expect(problem.error).not.toMatch(/the database refused|\bat \S+\.ts:\d+/) // validation should have seen it first
}

/** For requests of which nobody knows what they ask for: no failure of ours, and refusals by the common shape. */
async function checkByRule(response: Response, what: Drawn): Promise<void> {
  const { status } = response
  const body = await response.text()
  if (status >= 500) throw new Error(`${status} to ${JSON.stringify(what)}: ${body}`)
  if (status < 400) return
  expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  checkProblem(response, body)
}

const headerText = fc.stringMatching(/^[!-~\u00a1-\u00ff]([ -~\u00a1-\u00ff]{0,300}[!-~\u00a1-\u00ff])?$/)
const noiseHeaders = fc.record(
  {
    'content-type': fc.oneof(
      headerText,
      fc.constantFrom('application/json', 'text/plain', 'application/json;charset=x'),
    ),
    'content-encoding': fc.constantFrom('gzip', 'identity', 'br'),
    'content-length': fc.constantFrom('0', '1', '99999999', 'x'),
    'idempotency-key': headerText,
    'x-request-id': headerText,
    traceparent: headerText,
    prefer: headerText,
    authorization: headerText,
  },
  { requiredKeys: [] },
)
const noiseText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('%', '%zz', '%ff', '%00', '%ud800', '..', 'NaN', '1e9', '-1', '𝟙'),
)
const noiseCursor = fc
  .tuple(fc.nat(999_999_999_999_999), fc.uuid(), fc.constantFrom('after' as const, 'before' as const))
  .map(([ms, id, direction]) => encodeCursor({ createdAt: new Date(ms), id, direction }, {}))

function noiseQuery(operation: Operation): fc.Arbitrary<string> {
  const names = operation.parameters.filter(({ in: place }) => place === 'query').map(({ name }) => name)
  const encoded = fc
    .tuple(noiseText, fc.boolean())
    .map(([one, raw]) => (raw ? one.replaceAll(/[#&]/g, '') : encode(one)))
  const pair = fc
    .tuple(fc.oneof(fc.constantFrom('x', ...names), encoded), fc.oneof(encoded, noiseCursor, fc.nat().map(String)))
    .map((parts) => parts.join('='))
  const pairs = fc.array(pair, { maxLength: 4 }).map((drawn) => drawn.join('&'))
  return names.includes('cursor')
    ? fc.oneof(
        pairs,
        noiseCursor.map((cursor) => `cursor=${cursor}`),
      )
    : pairs
}

function encode(one: string): string {
  return encodeURIComponent(one.toWellFormed())
}

/** Bytes of a valid body, some of them changed, cut or doubled. */
function noiseBody(body: string): fc.Arbitrary<string | Uint8Array<ArrayBuffer>> {
  const bytes = new TextEncoder().encode(body)
  const places = fc.array(fc.tuple(fc.nat(Math.max(0, bytes.length - 1)), fc.nat(255)), { maxLength: 3 })
  const flipped = places.map((changes) => {
    const copy = new Uint8Array(bytes)
    for (const [at, value] of changes) copy[at] = value
    return copy
  })
  return fc.oneof(
    flipped,
    fc.nat(bytes.length).map((at) => bytes.slice(0, at)),
    fc.uint8Array({ maxLength: 200 }).map((drawn) => new Uint8Array(drawn)),
    fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.stringify(value)),
    fc.constantFrom('[]', '{}', 'null', '""', '0', '{"notifications":[]}', '{"__proto__":{}}', '\ufeff{}', body + body),
    fc.nat(100_000).map((depth) => `{"metadata":${'['.repeat(depth)}`),
  )
}

function noise(operation: Operation, ids: KnownIds): fc.Arbitrary<Drawn> {
  return validRequest(operation, ids).chain((request) =>
    fc
      .record({
        headers: fc.oneof(fc.constant({}), noiseHeaders),
        query: fc.oneof(fc.constant(''), noiseQuery(operation)),
        alone: fc.boolean(),
        segment: fc.option(noiseText, { freq: 8 }),
        body:
          request.body === null
            ? fc.constant(null)
            : fc.oneof(fc.constant(request.body), noiseBody(String(request.body))),
        method: fc.oneof(
          { weight: 20, arbitrary: fc.constant(request.method) },
          fc.constantFrom('PUT', 'DELETE', 'OPTIONS'),
        ),
      })
      .map(({ headers, query, alone, segment, body, method }) => {
        const [path = ''] = request.path.split('?')
        const kept = alone ? path : request.path
        const at = segment === null ? kept : `${path.slice(0, path.lastIndexOf('/') + 1)}${encode(segment)}`
        const whole = query === '' ? at : `${at}${at.includes('?') ? '&' : '?'}${query}`
        return {
          path: whole,
          method,
          headers: { ...request.headers, ...headers },
          body: method === 'OPTIONS' ? null : body,
        }
      }),
  )
}

/** @param runs how many requests of each kind per operation; those that read most are drawn five times as often. */
export function contractFuzz(name: string, runs: number, open: () => Promise<FuzzTarget>): void {
  const seed = fuzzSeed()
  const creating: ReadonlySet<string> = new Set(['createNotification', 'createBatch', 'listNotifications'])
  const runsOf = ({ operationId }: Operation) => (creating.has(operationId) ? runs * 5 : runs)

  async function onTarget(work: (target: FuzzTarget) => Promise<void>): Promise<void> {
    const target = await open()
    try {
      await work(target)
    } finally {
      await target.close()
    }
  }

  describe(`the contract, ${name} (SEED=${seed})`, () => {
    it.each(api.operations.map((operation) => [operation.operationId, operation] as const))(
      '%s answers valid requests as documented',
      (id, operation) =>
        onTarget(async (target) => {
          const statuses = new Set<number>()
          const property = fc.asyncProperty(validRequest(operation, target.ids), async (request) => {
            const response = await sendTo(target, request)
            statuses.add(response.status)
            await checkByContract(operation, response)
            expect([200, 201, 202, 404, 409, 422]).toContain(response.status)
          })
          await fc.assert(property, { seed, numRuns: runsOf(operation), includeErrorInReport: true })
          const succeeds = target.refusesAll?.includes(id) !== true
          expect([...statuses].some((status) => status < 300)).toBe(succeeds)
        }),
    )

    it.each(['createNotification', 'createBatch', 'replayNotification'])('%s names the field that is spoilt', (id) =>
      onTarget(async (target) => {
        const operation = operationOf(id)
        const isBatch = id === 'createBatch'
        const given = isBatch ? operationOf('createNotification') : operation
        const schema = given.requestBody?.content['application/json']?.schema ?? {}
        const drawn = validBody(schema).chain((whole) => spoilt(api, schema, whole))
        const path = operation.path.replace('{id}', target.ids['id'] ?? '')
        const property = fc.asyncProperty(drawn, async ({ body, field }) => {
          const response = await target.send(path, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: isBatch ? `{"notifications":[{"channel":"PUSH","recipient":"r","content":"c"},${body}]}` : body,
          })
          const { errors } = problemAnswer.parse(await checkByContract(operation, response))
          const start = isBatch ? `notifications[1].${field}` : field
          expect([response.status, errors.some((error) => error.path.startsWith(start))]).toEqual([400, true])
        })
        await fc.assert(property, { seed, numRuns: runs * 5, includeErrorInReport: true })
      }),
    )

    it.each(api.operations.map((operation) => [operation.operationId, operation] as const))(
      '%s never fails by what it is sent',
      (_id, operation) =>
        onTarget(async (target) => {
          const property = fc.asyncProperty(noise(operation, target.ids), async (request) => {
            await checkByRule(await sendTo(target, request), request)
          })
          await fc.assert(property, { seed, numRuns: runsOf(operation), includeErrorInReport: true })
        }),
    )
  })
}
