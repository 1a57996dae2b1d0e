import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  DependencyUnavailableError,
  KeyReusedError,
  OverloadedError,
  RejectedDataError,
  StateConflictError,
} from '../domain/errors.ts'
import { batchId, knownId, notification, nowMs, plain, problemOf, setup } from './app.suite.ts'
import {
  acceptedBatchSchema,
  acceptedSchema,
  attemptsAnswerSchema,
  batchViewSchema,
  canceledSchema,
  listAnswerSchema,
  notificationSchema,
  notificationWithAttemptsSchema,
} from './response-schemas.ts'

describe('POST /v1/notifications', () => {
  it('answers 202 with the stored resource and where to find it', async () => {
    const { post, accepted } = setup()
    const response = await post('/v1/notifications', plain, { 'x-request-id': 'req-7' })
    expect(response.status).toBe(202)
    expect(response.headers.get('location')).toBe('/v1/notifications/019b76da-a800-7000-8000-000000000001')
    expect(response.headers.get('idempotency-replayed')).toBeNull()
    expect(acceptedSchema.strict().parse(await response.json())).toEqual({
      id: '019b76da-a800-7000-8000-000000000001',
      correlationId: 'req-7',
      channel: 'SMS',
      priority: 'NORMAL',
      recipient: '+905551234567',
      content: 'hello',
      segments: 1,
      status: 'QUEUED',
      attemptCount: 0,
      maxRetries: 5,
      generation: 0,
      outcomeUnknown: false,
      expiresAt: '2026-01-02T00:00:00.000Z',
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
    })
    expect(accepted[0]).toMatchObject({ tenant: 'default', kind: 'single', traceparent: null })
  })

  it('trims, reads words in any case, and takes empty and null for absent', async () => {
    const { post, accepted } = setup()
    const body = {
      channel: ' email ',
      priority: 'high',
      recipient: ' a@b.c ',
      content: '\n hi ',
      idempotencyKey: '  ',
      correlationId: '',
      maxRetries: null,
      scheduledAt: '',
      expiresAt: null,
      tags: [' x '],
      metadata: null,
      title: ' ',
      html: '',
      data: null,
      provider: '',
    }
    expect((await post('/v1/notifications', body)).status).toBe(202)
    expect(accepted[0]?.items).toEqual([
      {
        channel: 'EMAIL',
        priority: 'HIGH',
        recipient: 'a@b.c',
        content: 'hi',
        title: null,
        html: null,
        data: null,
        provider: null,
        idempotencyKey: null,
        correlationId: 'made-id',
        maxRetries: 5,
        scheduledAt: null,
        expiresAt: null,
        tags: ['x'],
        metadata: null,
      },
    ])
  })

  it('hands on everything that is given', async () => {
    const { post, accepted } = setup()
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const body = {
      ...plain,
      correlationId: 'c-1',
      maxRetries: 100,
      scheduledAt: '2026-03-01t12:00:00.1234+03:00',
      expiresAt: '2026-03-02T00:00:00z',
      tags: ['a', 'b'],
      metadata: { order: { id: 7, lines: [1, null, 'x'] } },
    }
    await post('/v1/notifications', body, { 'idempotency-key': 'k-1', traceparent: trace })
    expect(accepted[0]).toMatchObject({
      traceparent: trace,
      items: [
        {
          idempotencyKey: 'k-1',
          correlationId: 'c-1',
          maxRetries: 100,
          scheduledAt: new Date('2026-03-01T09:00:00.123Z'),
          expiresAt: new Date('2026-03-02T00:00:00.000Z'),
          tags: ['a', 'b'],
          metadata: { order: { id: 7, lines: [1, null, 'x'] } },
        },
      ],
    })
  })

  it('keeps title, HTML, data and provider, and shows them', async () => {
    const { post, accepted } = setup()
    const email = { channel: 'EMAIL', recipient: 'ada@example.com', content: 'hi', title: ' Hi ', html: '<p>hi</p>' }
    const chat = { channel: 'CHAT', recipient: '#ops', content: 'hi', data: { blocks: [1] }, provider: 'slack-ops' }
    for (const body of [email, chat]) {
      const shown = acceptedSchema.strict().parse(await (await post('/v1/notifications', body)).json())
      const { title, ...others } = { title: undefined, ...body }
      expect(shown).toMatchObject({ ...others, ...(title !== undefined && { title: title.trim() }) })
      expect(shown.segments).toBeUndefined()
    }
    expect(accepted.flatMap(({ items }) => items)).toMatchObject([
      { title: 'Hi', html: '<p>hi</p>', data: null, provider: null },
      { title: null, html: null, data: { blocks: [1] }, provider: 'slack-ops' },
    ])
  })

  it('keeps a phone number in its E.164 form, a domain in its ASCII form, and any other recipient as it is', async () => {
    const { post, accepted } = setup()
    const given = [
      ['SMS', '+90 (555) 123 45 67'],
      ['EMAIL', 'Ada@münchen.example'],
      ['PUSH', 'Token:+90 (555)'],
      ['WEBHOOK', 'orders'],
      ['CHAT', '#ops'],
      ['INCIDENT', 'service 7'],
    ]
    for (const [channel, recipient] of given) {
      expect((await post('/v1/notifications', { channel, recipient, content: 'x' })).status).toBe(202)
    }
    const kept = accepted.flatMap(({ items }) => items.map(({ recipient }) => recipient))
    expect(kept).toEqual([
      '+905551234567',
      'Ada@xn--mnchen-3ya.example',
      'Token:+90 (555)',
      'orders',
      '#ops',
      'service 7',
    ])
  })

  it('says how many short messages an SMS takes', async () => {
    const { post } = setup()
    for (const [content, segments] of [
      ['a'.repeat(160), 1],
      ['ş'.repeat(71), 2],
    ] as const) {
      expect(await (await post('/v1/notifications', { ...plain, content })).json()).toMatchObject({ segments })
    }
  })

  it.each([0, -3, null, undefined])('takes maxRetries %s for the default', async (maxRetries) => {
    const { post, accepted } = setup({ settings: { maxRetriesDefault: 9 } })
    await post('/v1/notifications', { ...plain, maxRetries })
    expect(accepted[0]?.items[0]?.maxRetries).toBe(9)
  })

  it('says when a row was stored before', async () => {
    const { post } = setup({
      deps: {
        accept: async () => ({ batchId: null, notifications: [{ notification: notification(), duplicate: true }] }),
      },
    })
    const response = await post('/v1/notifications', { ...plain, idempotencyKey: 'k' }, { 'idempotency-key': 'k' })
    expect(response.status).toBe(202)
    expect(response.headers.get('idempotency-replayed')).toBe('true')
    expect(await response.json()).toMatchObject({ id: knownId, duplicate: true })
  })

  it('ignores unknown fields, names them, and says what may have been meant', async () => {
    const { post } = setup()
    const body = acceptedSchema.parse(
      await (await post('/v1/notifications', { ...plain, titel: 'x', prioritiy: 'low' })).json(),
    )
    expect(body.priority).toBe('NORMAL')
    expect(body.warnings?.map((one) => one.message)).toEqual([
      'titel: this field is not known and was ignored',
      'prioritiy: this field is not known and was ignored; did you mean "priority"?',
    ])
  })

  it('drops a traceparent that is not valid', async () => {
    const { post, accepted } = setup()
    await post('/v1/notifications', plain, { traceparent: '00-00000000000000000000000000000000-00f067aa0ba902b7-01' })
    expect(accepted[0]?.traceparent).toBeNull()
  })
})

describe('POST /v1/notifications/batch', () => {
  it('answers in the order given, under one batch id', async () => {
    const { post, accepted } = setup()
    const notifications = ['a', 'b', 'c'].map((recipient) => ({ ...plain, channel: 'PUSH', recipient }))
    const response = await post('/v1/notifications/batch', { notifications, notificatons: 1 })
    expect([response.status, response.headers.get('location')]).toEqual([202, `/v1/batches/${batchId}`])
    const body = acceptedBatchSchema.strict().parse(await response.json())
    expect(body).toMatchObject({ batchId, status: 'PROCESSING', totalCount: 3 })
    expect(body.notifications.map((one) => one.recipient)).toEqual(['a', 'b', 'c'])
    expect(body.warnings?.map((one) => one.path)).toEqual(['notificatons'])
    expect(accepted[0]?.kind).toBe('batch')
  })

  it('takes 1,000 items', async () => {
    const { post } = setup()
    const notifications = Array.from({ length: 1_000 }, () => plain)
    expect((await post('/v1/notifications/batch', { notifications })).status).toBe(202)
  })
})

describe('reading', () => {
  it('lists by page with an exact total unless told otherwise', async () => {
    const { send, listed } = setup()
    const body = listAnswerSchema.parse(await (await send('/v1/notifications')).json())
    expect(body.meta).toEqual({ page: 1, pageSize: 50, total: 1 })
    expect(body.data[0]?.id).toBe(knownId)
    expect(await (await send('/v1/notifications?page=3&pageSize=7&total=none')).json()).toMatchObject({
      meta: { page: 3, pageSize: 7 },
    })
    expect(listed.map((one) => one.query)).toEqual([
      { page: 1, pageSize: 50, total: 'exact' },
      { page: 3, pageSize: 7, total: 'none' },
    ])
  })

  it('filters by everything the contract names; empty values are absent', async () => {
    const { send, listed } = setup()
    const query = new URLSearchParams({
      status: 'sent',
      channel: 'push',
      from: '2026-01-01T00:00:00+00:00',
      to: '2026-01-01T00:00:00Z',
      batchId: batchId.toUpperCase(),
      correlationId: 'c 1',
      recipient: '+90',
      tag: '',
    })
    expect((await send(`/v1/notifications?${query.toString()}`)).status).toBe(200)
    expect(listed[0]?.filter).toEqual({
      status: 'SENT',
      channel: 'PUSH',
      from: new Date(nowMs),
      to: new Date(nowMs),
      batchId,
      correlationId: 'c 1',
      recipient: '+90',
    })
  })

  it('walks by cursor: empty is the first page, next leads on, ends are null', async () => {
    const { send, listed } = setup()
    const meta = z.object({ meta: z.object({ next: z.string(), prev: z.string().nullable() }) })
    const first = meta.parse(await (await send('/v1/notifications?cursor=&limit=2&status=SENT')).json()).meta
    expect(first.prev).toBeNull()
    expect((await send(`/v1/notifications?limit=2&status=SENT&cursor=${first.next}`)).status).toBe(200)
    expect(listed.map((one) => one.query)).toEqual([
      { position: null, limit: 2 },
      { position: { direction: 'after', createdAt: new Date(nowMs), id: knownId }, limit: 2 },
    ])
  })

  it('refuses a cursor that was made for other filters', async () => {
    const { send } = setup()
    const meta = z.object({ meta: z.object({ next: z.string() }) })
    const { next } = meta.parse(await (await send('/v1/notifications?limit=2')).json()).meta
    const problem = await problemOf(await send(`/v1/notifications?limit=2&status=SENT&cursor=${next}`))
    expect(problem.errors[0]).toMatchObject({ path: 'cursor', code: 'other_filters' })
  })

  it('gives one notification, with its attempts when asked', async () => {
    const { send } = setup()
    const bare = await (await send(`/v1/notifications/${knownId.toUpperCase()}`)).json()
    expect(Object.keys(notificationSchema.strict().parse(bare))).not.toContain('attempts')
    const whole = notificationWithAttemptsSchema
      .strict()
      .parse(await (await send(`/v1/notifications/${knownId}?include=attempts`)).json())
    const attempts = attemptsAnswerSchema.parse(await (await send(`/v1/notifications/${knownId}/attempts`)).json())
    expect(whole.attempts).toEqual(attempts.data)
    expect(attempts.data[0]).toEqual({
      number: 1,
      generation: 0,
      provider: 'webhook',
      outcome: 'transient',
      late: false,
      statusCode: 503,
      error: { code: 'http_503', message: 'the target answered 503' },
      responseExcerpt: 'busy',
      durationMs: 12,
      startedAt: '2026-01-01T00:00:00.000Z',
      finishedAt: '2026-01-01T00:00:00.012Z',
      nextRetryAt: '2026-01-01T00:00:01.012Z',
    })
  })

  it('shows how far a batch has come', async () => {
    const { send } = setup()
    const body = batchViewSchema.strict().parse(await (await send(`/v1/batches/${batchId}`)).json())
    expect(body).toEqual({ batchId, totalCount: 2, status: 'PROCESSING', counts: [{ status: 'QUEUED', count: 2 }] })
  })

  it('answers HEAD as GET without a body', async () => {
    const { send } = setup()
    const response = await send(`/v1/notifications/${knownId}`, { method: 'HEAD' })
    expect([response.status, await response.text()]).toEqual([200, ''])
  })
})

describe('cancel and replay', () => {
  it('cancels', async () => {
    const { send } = setup()
    const response = await send(`/v1/notifications/${knownId}/cancel`, { method: 'POST' })
    expect(response.status).toBe(200)
    expect(canceledSchema.parse(await response.json())).toEqual({ notificationId: knownId, status: 'CANCELED' })
  })

  it('replays, forced only when the body says so', async () => {
    const { send, post, replayed } = setup()
    expect((await send(`/v1/notifications/${knownId}/replay`, { method: 'POST' })).status).toBe(202)
    expect((await post(`/v1/notifications/${knownId}/replay`, {})).status).toBe(202)
    const forced = await post(`/v1/notifications/${knownId}/replay`, { force: true })
    expect(forced.headers.get('location')).toBe(`/v1/notifications/${knownId}`)
    expect(acceptedSchema.parse(await forced.json()).generation).toBe(1)
    expect(replayed.map((one) => one.force)).toEqual([false, false, true])
    const problem = await problemOf(await post(`/v1/notifications/${knownId}/replay`, { force: 'yes' }))
    expect(problem.errors[0]).toMatchObject({ path: 'force', code: 'invalid_type' })
  })
})

describe('errors of the use cases', () => {
  const secret = 'connect ECONNREFUSED 10.0.0.7:5432'
  it.each([
    [new StateConflictError('notification x is SENT'), 409, 'state_conflict', null],
    [new KeyReusedError('idempotencyKey "k" was used before with another body', null), 422, 'key_reused', null],
    [new OverloadedError('too many wait'), 503, 'overloaded', '1'],
    [new DependencyUnavailableError('postgres', secret), 503, 'dependency_unavailable', '5'],
    [new RejectedDataError('22021', secret), 400, 'invalid_request', null],
    [new Error(secret), 500, 'internal', null],
  ])('%s becomes %i', async (failure, status, code, retryAfter) => {
    const { post, lines } = setup({ failure })
    const response = await post('/v1/notifications', plain, { 'x-request-id': 'req-9' })
    expect([response.status, response.headers.get('retry-after')]).toEqual([status, retryAfter])
    const problem = await problemOf(response)
    expect(problem).toMatchObject({ code, requestId: 'req-9' })
    expect(JSON.stringify(problem)).not.toContain(secret)
    if (status === 500) {
      const line = lines.find((one) => one.level === 'error')
      expect(line?.fields).toMatchObject({ requestId: 'req-9', errorName: 'Error', reason: secret })
    }
  })

  it('names the item whose key was used before', async () => {
    const { post } = setup({ failure: new KeyReusedError('idempotencyKey "k" was used before with another body', 3) })
    const response = await post('/v1/notifications/batch', { notifications: [plain] })
    expect(response.status).toBe(422)
    const problem = await problemOf(response)
    expect(problem.errors[0]).toMatchObject({ path: 'notifications[3].idempotencyKey', code: 'key_reused' })
    expect(problem.error).toContain('notifications[3]')
  })
})

describe('keys, origins and request ids', () => {
  const apiKey = 'the-management-key'

  it.each([
    ['none', {}, 401],
    ['another one', { authorization: 'Bearer other' }, 401],
    ['another scheme', { authorization: `Basic ${apiKey}` }, 401],
    ['a longer one', { 'x-api-key': `${apiKey}x` }, 401],
    ['the right bearer', { authorization: `bearer ${apiKey}` }, 200],
    ['the right X-API-Key', { 'x-api-key': apiKey }, 200],
    ['both, one of them right', { authorization: 'Bearer other', 'x-api-key': apiKey }, 200],
  ])('with a key set, %s means %i', async (_what, headers, status) => {
    const { send } = setup({ settings: { apiKey } })
    const response = await send('/v1/notifications', { headers })
    expect(response.status).toBe(status)
    if (status === 401) {
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="dispatch-engine"')
      expect((await problemOf(response)).code).toBe('unauthorized')
    }
  })

  it('leaves probes, metrics and docs open, and closes the rest of /v1, unknown paths too', async () => {
    const { send } = setup({ settings: { apiKey } })
    for (const path of ['/livez', '/readyz', '/health', '/metrics', '/openapi.json', '/docs']) {
      expect([path, (await send(path)).status]).toEqual([path, 200])
    }
    for (const path of ['/v1/queue/heartbeat', '/v1/batches/x', '/v1/nothing']) {
      expect([path, (await send(path)).status]).toEqual([path, 401])
    }
  })

  it('lets no other origin in unless it is listed, and answers its preflight without a key', async () => {
    const headers = { origin: 'https://ui.example', 'access-control-request-method': 'POST' }
    const closed = await setup().send('/v1/notifications', { headers })
    expect(closed.headers.get('access-control-allow-origin')).toBeNull()
    const { send } = setup({ settings: { corsOrigins: ['https://ui.example'], apiKey } })
    const preflight = await send('/v1/notifications', { method: 'OPTIONS', headers })
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, headers.origin])
    const refused = await send('/v1/notifications', { headers })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, headers.origin])
    expect(refused.headers.get('content-type')).toContain('application/problem+json')
    const other = await send('/v1/notifications', { headers: { origin: 'https://evil.example', 'x-api-key': apiKey } })
    expect(other.headers.get('access-control-allow-origin')).toBeNull()
  })

  it('echoes a printable X-Request-ID and makes one otherwise', async () => {
    const { send } = setup()
    const echoed = async (value: string) =>
      (await send('/livez', { headers: { 'x-request-id': value } })).headers.get('x-request-id')
    expect(await echoed('abc-123')).toBe('abc-123')
    expect(await echoed('x'.repeat(128))).toBe('x'.repeat(128))
    expect(await echoed('x'.repeat(129))).toBe('made-id')
    expect(await echoed('caf\u00e9')).toBe('made-id')
    expect((await send('/nothing')).headers.get('x-request-id')).toBe('made-id')
  })
})

describe('a process without the api role', () => {
  it('serves probes and metrics only', async () => {
    const { send } = setup({ settings: { servesApi: false } })
    for (const path of ['/livez', '/readyz', '/health', '/metrics']) expect((await send(path)).status).toBe(200)
    for (const path of ['/v1/notifications', `/v1/batches/${batchId}`, '/docs', '/openapi.json']) {
      expect([path, (await send(path)).status]).toEqual([path, 404])
    }
  })
})

describe('what is counted and logged', () => {
  it('counts each request under its route pattern, refusals too; unknown paths together; scrapes not', async () => {
    const { send, post, requests } = setup({ settings: { apiKey: 'k' } })
    const headers = { 'x-api-key': 'k' }
    await send(`/v1/notifications/${knownId}?include=attempts`, { headers })
    await send(`/v1/notifications/${knownId}`)
    await post('/v1/notifications/batch', {}, headers)
    await send('/v1/notifications/batch', { method: 'PUT', headers })
    await send('/secret-path')
    await send('/metrics')
    await send('/livez')
    expect(requests.map(({ method, path, status }) => [method, path, status])).toEqual([
      ['GET', '/v1/notifications/:id', 200],
      ['GET', '/v1/notifications/:id', 401],
      ['POST', '/v1/notifications/batch', 400],
      ['PUT', '/v1/notifications/batch', 405],
      ['GET', 'unmatched', 404],
      ['GET', '/livez', 200],
    ])
  })

  it('writes one line per request: debug when well, info when refused, warn when broken', async () => {
    const { send, lines } = setup({ failure: new DependencyUnavailableError('postgres', 'gone') })
    await send('/livez')
    await send('/nothing')
    await send('/v1/notifications')
    expect(lines.map(({ level, message, fields }) => [level, message, fields['path'] ?? fields['reason']])).toEqual([
      ['debug', 'request', '/livez'],
      ['info', 'request', 'unmatched'],
      ['warn', 'request refused', 'gone'],
      ['warn', 'request', '/v1/notifications'],
    ])
  })
})
