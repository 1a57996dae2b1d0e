import { describe, expect, it } from 'vitest'
import { DependencyUnavailableError, InvalidRequestError, StateConflictError } from '../domain/errors.ts'
import type { ConnectionAdmin } from '../port/connection-admin.ts'
import { problemOf, setup } from './app.suite.ts'
import {
  connectionListSchema,
  connectionRemovedSchema,
  connectionSchema,
  connectorListSchema,
  probeSchema,
  rateLimitListSchema,
  routeAnswerSchema,
  routeListSchema,
  routeRemovedSchema,
} from './connection-answers.ts'
import { type AdminCall, bucketFigures, connectionView, fakeConnections, knownConnection } from './connections.suite.ts'

function world(changes: Partial<ConnectionAdmin> = {}) {
  const calls: AdminCall[] = []
  const { connections, ...rest } = fakeConnections(calls)
  const made = setup({ deps: { ...rest, connections: { ...connections, ...changes } } })
  const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    made.send(path, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    })
  return { ...made, calls, call }
}

const created = { id: 'twilio-main', connector: 'twilio-sms@1', config: { accountSid: 'AC1', authToken: 'sesame' } }
const one = `/v1/connections/${knownConnection}`

describe('/v1/connections', () => {
  it('lists and shows connections without their secrets, with an ETag', async () => {
    const { call } = world()
    const { data } = connectionListSchema.strict().parse(await (await call('GET', '/v1/connections')).json())
    const response = await call('GET', one)
    expect(response.headers.get('etag')).toBe('"7"')
    const shown = connectionSchema.strict().parse(await response.json())
    expect(data).toEqual([shown])
    expect(shown).toEqual({
      id: 'twilio-main',
      connector: 'twilio-sms@1',
      channel: 'SMS',
      config: { accountSid: 'AC1' },
      secrets: ['authToken'],
      enabled: true,
      state: 'ready',
      source: 'api',
      revision: 7,
      buckets: [{ kind: 'concurrency', limit: 20 }],
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
    })
  })

  it('shows why one is paused, and why one of a file is broken', async () => {
    const pause = { code: 'config', reason: 'wrong token', since: new Date(0) }
    const { call } = world({
      connections: async () => [
        connectionView({ pause, state: 'paused' }),
        connectionView({ state: 'broken', problem: 'no key', source: 'file', revision: null }),
      ],
    })
    const { data } = connectionListSchema.parse(await (await call('GET', '/v1/connections')).json())
    expect(data).toMatchObject([
      { state: 'paused', paused: { code: 'config', reason: 'wrong token', since: '1970-01-01T00:00:00.000Z' } },
      { state: 'broken', problem: 'no key', source: 'file' },
    ])
    expect(data[1]).not.toHaveProperty('revision')
  })

  it('creates one, says where it is, and answers no secret', async () => {
    const { call, calls } = world()
    const response = await call('POST', '/v1/connections', created)
    expect([response.status, response.headers.get('location'), response.headers.get('etag')]).toEqual([201, one, '"7"'])
    expect(await response.text()).not.toContain('sesame')
    expect(calls).toEqual([
      ['create', 'twilio-main', { connector: 'twilio-sms@1', config: created.config, enabled: true }],
    ])
  })

  it('replaces one, with what is left out as it was, under the revision of If-Match', async () => {
    const { call, calls } = world()
    const response = await call('PUT', one, { config: { authToken: null } }, { 'if-match': '"7"' })
    expect([response.status, response.headers.get('etag')]).toEqual([200, '"9"'])
    await call('PUT', one, { connector: 'twilio-sms@2', config: {}, enabled: false }, { 'if-match': '*' })
    expect(calls).toEqual([
      ['replace', knownConnection, { connector: 'twilio-sms@1', config: { authToken: null }, enabled: true }, 7],
      ['replace', knownConnection, { connector: 'twilio-sms@2', config: {}, enabled: false }, null],
    ])
  })

  it('removes, pauses and resumes one', async () => {
    const { call, calls } = world()
    const removed = await call('DELETE', one, undefined, { 'if-match': '"7"' })
    expect(connectionRemovedSchema.parse(await removed.json())).toEqual({ removed: knownConnection })
    await call('POST', `${one}/pause`)
    const paused = await call('POST', `${one}/pause`, { code: 'billing', reason: 'card expired' })
    expect(connectionSchema.parse(await paused.json())).toMatchObject({ state: 'paused', paused: { code: 'billing' } })
    expect((await call('POST', `${one}/resume`)).status).toBe(200)
    expect(calls).toEqual([
      ['remove', knownConnection, 7],
      ['pause', knownConnection, { code: 'operator', reason: 'paused by an operator' }],
      ['pause', knownConnection, { code: 'billing', reason: 'card expired' }],
    ])
  })

  it('tests one', async () => {
    const { call } = world()
    const response = await call('POST', `${one}/probe`)
    expect(probeSchema.strict().parse(await response.json())).toEqual({
      outcome: 'failed',
      class: 'config',
      rule: 'credentials',
      code: '20003',
      message: 'Authenticate',
      statusCode: 401,
      responseExcerpt: '{"code":20003}',
      durationMs: 12,
    })
    const { call: none } = world({ probe: async () => ({ outcome: 'unsupported', result: null, durationMs: 0 }) })
    expect(await (await none('POST', `${one}/probe`)).json()).toEqual({ outcome: 'unsupported', durationMs: 0 })
  })

  it.each([
    ['POST', '/v1/connections', {}, ['id', 'connector']],
    ['POST', '/v1/connections', { ...created, id: 'Twilio' }, ['id']],
    ['POST', '/v1/connections', { ...created, config: [] }, ['config']],
    ['POST', '/v1/connections', { ...created, enabled: 'yes' }, ['enabled']],
    ['POST', '/v1/connections', { ...created, confg: {} }, ['confg']],
    ['PUT', one, {}, ['config']],
    ['PUT', one, { config: {}, id: 'other' }, ['id']],
    ['POST', `${one}/pause`, { reason: 'x'.repeat(1_001) }, ['reason']],
    ['PUT', '/v1/routes/SMS', {}, ['tiers']],
    ['PUT', '/v1/routes/SMS', { tiers: [] }, ['tiers']],
    ['PUT', '/v1/routes/SMS', { tiers: [{ connections: [] }] }, ['tiers[0].connections']],
    ['PUT', '/v1/routes/SMS', { tiers: [{ connections: ['a'] }] }, ['tiers[0].connections[0]']],
    [
      'PUT',
      '/v1/routes/SMS',
      { tiers: [{ connections: [{ connection: 'a', wieght: 1 }] }] },
      ['tiers[0].connections[0]'],
    ],
    [
      'PUT',
      '/v1/routes/SMS',
      { tiers: [{ connections: [{ connection: 'A', weight: 0 }] }], tryTimeoutMs: 0.5, totalTimeoutMs: 1 },
      ['tiers[0].connections[0].connection', 'tiers[0].connections[0].weight', 'tryTimeoutMs', 'totalTimeoutMs'],
    ],
    ['PUT', '/v1/routes/FAX', { tiers: [] }, ['channel']],
    ['DELETE', '/v1/routes/SMS?tga=x', undefined, ['tga']],
  ])('refuses %s %s with %j, naming %j', async (method, path, body, fields) => {
    const { call, calls } = world()
    const response = await call(method, path, body)
    const { errors, status } = await problemOf(response)
    expect([status, errors.map((error) => error.path)]).toEqual([400, fields])
    for (const { message } of errors) expect(message).toMatch(/: expected .+, found .+/)
    expect(calls).toEqual([])
  })

  it.each(['7', '"x"', 'W/"7"', '"7", "8"'])('refuses the If-Match %s', async (value) => {
    const { call } = world()
    const { errors } = await problemOf(await call('DELETE', one, undefined, { 'if-match': value }))
    expect(errors).toMatchObject([{ path: 'If-Match', code: 'invalid_header' }])
  })

  it('tells what is wrong with the configuration, what stands in the way, and what is not there', async () => {
    const errors = [
      { path: 'config.authToken', code: 'invalid_config', message: 'config.authToken: expected …, found …' },
    ]
    const { call } = world({
      create: () => Promise.reject(new InvalidRequestError('config.authToken: expected …, found …', errors)),
      remove: () =>
        Promise.reject(new StateConflictError('connection a is in use: take it out of the route SMS first')),
      connections: () => Promise.reject(new DependencyUnavailableError('postgres', 'gone')),
    })
    expect(await problemOf(await call('POST', '/v1/connections', created))).toMatchObject({ status: 400, errors })
    expect(await problemOf(await call('DELETE', one))).toMatchObject({ status: 409, code: 'state_conflict' })
    expect(await problemOf(await call('GET', '/v1/connections/none'))).toMatchObject({ status: 404 })
    expect(await problemOf(await call('GET', '/v1/connections'))).toMatchObject({ status: 503 })
  })

  it('asks for the key, as everything under /v1', async () => {
    const { send } = setup({ settings: { apiKey: 'secret' } })
    for (const path of ['/v1/connections', '/v1/connectors', '/v1/routes', '/v1/rate-limits']) {
      expect((await send(path)).status).toBe(401)
      expect((await send(path, { headers: { 'x-api-key': 'secret' } })).status).toBe(200)
    }
  })
})

describe('/v1/routes', () => {
  it('sets, lists and removes routes, of a tag too', async () => {
    const { call, calls } = world()
    const tiers = [{ connections: [{ connection: 'a' }, { connection: 'b', weight: 3 }] }]
    const saved = await call('PUT', '/v1/routes/sms?tag=urgent', { tiers, tryTimeoutMs: 5_000 }, { 'if-match': '"8"' })
    expect([saved.status, saved.headers.get('etag')]).toEqual([200, '"8"'])
    const whole = [
      {
        connections: [
          { connection: 'a', weight: 1 },
          { connection: 'b', weight: 3 },
        ],
      },
    ]
    expect(routeAnswerSchema.strict().parse(await saved.json())).toMatchObject({ tag: 'urgent', tiers: whole })
    const removed = await call('DELETE', '/v1/routes/SMS')
    expect(routeRemovedSchema.parse(await removed.json())).toEqual({ removed: { channel: 'SMS' } })
    expect(calls).toEqual([
      ['saveRoute', { channel: 'SMS', tag: 'urgent', tiers: whole, tryTimeoutMs: 5_000, totalTimeoutMs: null }, 8],
      ['removeRoute', { channel: 'SMS', tag: null }, null],
    ])
    const { data } = routeListSchema.strict().parse(await (await call('GET', '/v1/routes')).json())
    expect(data).toMatchObject([{ revision: 8 }, { tag: 'urgent', source: 'file', missing: ['gone'] }])
  })
})

describe('/v1/connectors and /v1/rate-limits', () => {
  it('show what connections are made of, and what is wrong with files', async () => {
    const { call } = world()
    const { data, problems } = connectorListSchema.strict().parse(await (await call('GET', '/v1/connectors')).json())
    expect(data).toMatchObject([
      { name: 'twilio-sms@1', display: { name: 'Twilio', docs: 'https://example.com/docs' } },
    ])
    expect(data[0]?.config).toEqual([
      { name: 'authToken', type: 'string', label: 'Token', required: true, secret: true },
    ])
    expect(problems).toMatchObject([{ file: '/c/x.yaml', line: 3 }])
  })

  it('show how full each bucket is, and what the provider told', async () => {
    const { call } = world()
    const response = await call('GET', '/v1/rate-limits')
    const { data } = rateLimitListSchema.strict().parse(await response.json())
    expect(data).toEqual([
      { connection: knownConnection, bucket: bucketFigures[0]?.bucket, inUse: 1, nextInMs: 40 },
      { connection: knownConnection, bucket: bucketFigures[1]?.bucket },
      { connection: knownConnection, nextInMs: 0, learnt: { name: 'b-1', remaining: 4 } },
    ])
  })

  it('are a 503 while Redis is away', async () => {
    const away = { findFigures: () => Promise.reject(new DependencyUnavailableError('redis', 'gone')) }
    const { send } = setup({ deps: { ...fakeConnections(), bucketFigures: away } })
    expect((await problemOf(await send('/v1/rate-limits'))).detail).toContain('Redis')
  })
})
