import { describe, expect, it } from 'vitest'
import { batchId, knownId, plain, problemOf, setup, unknownId } from './app.suite.ts'

type Line = readonly [what: string, body: unknown, path: string, code: string]

const email = { ...plain, channel: 'EMAIL', recipient: 'ada@example.com' }
const webhook = { ...plain, channel: 'WEBHOOK', recipient: 'orders' }

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let at = 0; at < depth; at++) value = [value]
  return value
}

const badSingles: readonly Line[] = [
  ['a wrong channel', { ...plain, channel: 'FAX' }, 'channel', 'invalid_value'],
  ['a missing channel', { ...plain, channel: undefined }, 'channel', 'required'],
  ['a channel of the wrong type', { ...plain, channel: 7 }, 'channel', 'invalid_value'],
  ['a wrong priority', { ...plain, priority: 'URGENT' }, 'priority', 'invalid_value'],
  ['an empty recipient', { ...plain, recipient: '' }, 'recipient', 'empty'],
  ['a blank recipient', { ...plain, recipient: ' \t ' }, 'recipient', 'empty'],
  ['a null recipient', { ...plain, recipient: null }, 'recipient', 'invalid_type'],
  ['a missing recipient', { channel: 'SMS', content: 'x' }, 'recipient', 'required'],
  ['an over-long recipient', { ...plain, recipient: 'r'.repeat(321) }, 'recipient', 'too_long'],
  ['an over-long token', { ...plain, channel: 'PUSH', recipient: 'é'.repeat(1_025) }, 'recipient', 'too_long'],
  ['an over-long address', { ...email, recipient: `${'a'.repeat(310)}@example.com` }, 'recipient', 'too_long'],
  ['a number without its country', { ...plain, recipient: '05551234567' }, 'recipient', 'invalid_number'],
  ['a number that there cannot be', { ...plain, recipient: '+15550100' }, 'recipient', 'invalid_number'],
  ['a name for a number', { ...plain, recipient: 'Ada' }, 'recipient', 'invalid_number'],
  ['an address with a name', { ...email, recipient: 'Ada <ada@example.com>' }, 'recipient', 'invalid_address'],
  ['two addresses', { ...email, recipient: 'a@example.com, b@example.com' }, 'recipient', 'invalid_address'],
  ['a header in an address', { ...email, recipient: 'a@example.com\r\nBcc: b@c.d' }, 'recipient', 'invalid_address'],
  ['empty content', { ...plain, content: '' }, 'content', 'empty'],
  ['over-long SMS content', { ...plain, content: 'c'.repeat(161) }, 'content', 'too_long'],
  ['over-long PUSH content', { ...plain, channel: 'push', content: 'c'.repeat(241) }, 'content', 'too_long'],
  ['over-long EMAIL content', { ...plain, channel: 'EMAIL', content: 'c'.repeat(10_001) }, 'content', 'too_long'],
  ['over-long WEBHOOK content', { ...webhook, content: 'c'.repeat(65_537) }, 'content', 'too_long'],
  ['over-long CHAT content', { ...plain, channel: 'CHAT', content: 'c'.repeat(10_001) }, 'content', 'too_long'],
  ['over-long INCIDENT content', { ...plain, channel: 'INCIDENT', content: 'c'.repeat(1_025) }, 'content', 'too_long'],
  ['an over-long title', { ...webhook, title: 't'.repeat(256) }, 'title', 'too_long'],
  ['a title that is no text', { ...webhook, title: 7 }, 'title', 'invalid_type'],
  ['HTML for an SMS', { ...plain, html: '<p>' }, 'html', 'not_allowed'],
  ['over-long HTML', { ...email, html: 'é'.repeat(50_001) }, 'html', 'too_long'],
  ['HTML that is no text', { ...email, html: {} }, 'html', 'invalid_type'],
  ['data for an SMS', { ...plain, data: { a: 1 } }, 'data', 'not_allowed'],
  ['data for an EMAIL', { ...email, data: { a: 1 } }, 'data', 'not_allowed'],
  ['data that is a list', { ...webhook, data: [] }, 'data', 'invalid_type'],
  ['data above 65,536 bytes', { ...webhook, data: { a: 'é'.repeat(32_768) } }, 'data', 'too_long'],
  [
    'data above 4,096 bytes for PUSH',
    { ...plain, channel: 'PUSH', data: { a: 'a'.repeat(4_090) } },
    'data',
    'too_long',
  ],
  ['a forbidden key in data', { ...webhook, data: { constructor: 1 } }, 'data.constructor', 'forbidden_key'],
  ['a provider that is no name', { ...plain, provider: 'Twilio EU' }, 'provider', 'invalid_value'],
  ['an over-long provider', { ...plain, provider: 'p'.repeat(64) }, 'provider', 'invalid_value'],
  ['an over-long key', { ...plain, idempotencyKey: 'k'.repeat(256) }, 'idempotencyKey', 'too_long'],
  ['an over-long correlationId', { ...plain, correlationId: 'k'.repeat(129) }, 'correlationId', 'too_long'],
  ['maxRetries above 100', { ...plain, maxRetries: 101 }, 'maxRetries', 'out_of_range'],
  ['a broken maxRetries', { ...plain, maxRetries: 1.5 }, 'maxRetries', 'invalid_type'],
  ['maxRetries as text', { ...plain, maxRetries: '5' }, 'maxRetries', 'invalid_type'],
  ['a wrong date', { ...plain, scheduledAt: 'tomorrow' }, 'scheduledAt', 'invalid_time'],
  ['a date without offset', { ...plain, scheduledAt: '2030-01-01T00:00:00' }, 'scheduledAt', 'invalid_time'],
  ['a day that does not exist', { ...plain, scheduledAt: '2030-02-30T00:00:00Z' }, 'scheduledAt', 'invalid_time'],
  ['a date as a number', { ...plain, scheduledAt: 1_893_456_000_000 }, 'scheduledAt', 'invalid_type'],
  ['a year out of bounds', { ...plain, scheduledAt: '9999-12-31T23:59:59Z' }, 'scheduledAt', 'invalid_time'],
  ['an expiry in the past', { ...plain, expiresAt: '2025-12-31T23:59:59Z' }, 'expiresAt', 'out_of_range'],
  [
    'an expiry before the schedule',
    { ...plain, scheduledAt: '2026-02-01T00:00:00Z', expiresAt: '2026-01-31T00:00:00Z' },
    'expiresAt',
    'out_of_range',
  ],
  ['21 tags', { ...plain, tags: Array.from({ length: 21 }, () => 't') }, 'tags', 'too_many'],
  ['an over-long tag', { ...plain, tags: ['ok', 't'.repeat(65)] }, 'tags[1]', 'too_long'],
  ['an empty tag', { ...plain, tags: [''] }, 'tags[0]', 'empty'],
  ['tags that are no list', { ...plain, tags: 'a' }, 'tags', 'invalid_type'],
  ['metadata that is a list', { ...plain, metadata: [] }, 'metadata', 'invalid_type'],
  ['metadata above 4,096 bytes', { ...plain, metadata: { a: 'é'.repeat(2_048) } }, 'metadata', 'too_long'],
  ['NUL in the recipient', { ...plain, recipient: 'a\u0000b' }, 'recipient', 'nul_character'],
  ['NUL in a tag', { ...plain, tags: ['a', '\u0000'] }, 'tags[1]', 'nul_character'],
  ['NUL in a metadata key', { ...plain, metadata: { 'a\u0000': 1 } }, 'metadata["a\\u0000"]', 'nul_character'],
  ['a lone surrogate', { ...plain, content: 'x\ud800y' }, 'content', 'lone_surrogate'],
  [
    'a lone surrogate deep inside',
    { ...plain, metadata: { a: [{ b: '\udc00' }] } },
    'metadata.a[0].b',
    'lone_surrogate',
  ],
  ['a forbidden key', '{"channel":"SMS","metadata":{"__proto__":{"a":1}}}', 'metadata.__proto__', 'forbidden_key'],
  ['another forbidden key', { ...plain, metadata: { constructor: 1 } }, 'metadata.constructor', 'forbidden_key'],
  ['33 levels', { ...plain, metadata: { deep: nested(31) } }, `metadata.deep${'[0]'.repeat(30)}`, 'too_deep'],
  ['more than 10,000 values', { ...plain, extra: Array.from({ length: 10_000 }, () => 1) }, 'body', 'too_many_values'],
  ['a heap of brackets', '['.repeat(500_000), 'body', 'too_complex'],
  ['a heap of values', `[${'1,'.repeat(100_000)}1]`, 'body', 'too_complex'],
  ['an empty body', '', 'body', 'empty'],
  ['invalid JSON', '{"channel": "SMS", "recipient": secret-recipient}', 'body', 'invalid_json'],
  ['half a JSON', '{"channel": "SMS"', 'body', 'invalid_json'],
  ['a list', [plain], 'body', 'invalid_type'],
  ['null', 'null', 'body', 'invalid_type'],
]

describe('bad input to POST /v1/notifications', () => {
  it.each(badSingles)('%s is a 400 that names the field', async (_what, body, path, code) => {
    const { post, accepted } = setup()
    const response = await post('/v1/notifications', body)
    const problem = await problemOf(response)
    expect({ status: response.status, code: problem.code }).toEqual({ status: 400, code: 'invalid_request' })
    expect(problem.errors[0]).toMatchObject({ path, code })
    expect(problem.error.startsWith(`${path}: `)).toBe(true)
    expect(accepted).toEqual([])
  })

  it('what none of its connections takes is a 400 that names field, limit, measure and connection', async () => {
    const refused = { connection: 'twilio-eu', field: 'segments', limit: 10, unit: 'segments', measured: 12 } as const
    const { post, accepted } = setup({ deps: { findRefusedLimit: () => refused } })
    const single = await post('/v1/notifications', plain)
    const batch = await post('/v1/notifications/batch', { notifications: [plain] })
    expect([single.status, batch.status]).toEqual([400, 400])
    const message = 'expected at most 10 segments for connection twilio-eu, found 12'
    expect((await problemOf(single)).errors).toEqual([
      { path: 'content', code: 'too_long', message: `content: ${message}` },
    ])
    expect((await problemOf(batch)).errors).toMatchObject([{ path: 'notifications[0].content', code: 'too_long' }])
    expect(accepted).toEqual([])
  })

  it('never says content or recipient back', async () => {
    const { post } = setup()
    const secret = 'secret-text'
    const bodies = [
      { ...plain, recipient: secret.repeat(40), content: secret.repeat(40) },
      `{"recipient": "${secret}", }`,
      `{"recipient": ${secret}}`,
      { ...plain, metadata: { a: secret.repeat(1_000) } },
      { ...plain, recipient: `${secret}\u0000`, content: `${secret}\ud800` },
      { ...plain, recipient: secret, html: secret, data: { a: secret }, title: secret.repeat(40) },
      { ...email, recipient: `${secret} <ada@example.com>`, html: secret.repeat(10_000) },
    ]
    for (const body of bodies) expect(await (await post('/v1/notifications', body)).text()).not.toContain(secret)
  })

  it('tells every wrong field in one answer, rules between fields too', async () => {
    const { post } = setup()
    const body = { channel: 'sms', content: 'c'.repeat(200), maxRetries: 'x', expiresAt: '2020-01-01T00:00:00Z' }
    const problem = await problemOf(await post('/v1/notifications', body))
    const paths = problem.errors.map((one) => one.path).sort()
    expect(paths).toEqual(['content', 'expiresAt', 'maxRetries', 'recipient'])
    expect(problem.error).toContain('(and 3 more errors)')
  })

  it('reads lengths in code points: 160 emoji fit an SMS, 161 do not', async () => {
    const { post } = setup()
    expect((await post('/v1/notifications', { ...plain, content: '😀'.repeat(160) })).status).toBe(202)
    expect((await post('/v1/notifications', { ...plain, content: '😀'.repeat(161) })).status).toBe(400)
  })

  it.each([
    [
      { ...plain, channel: 'PUSH', title: 'é'.repeat(50), content: 'c'.repeat(100), data: { a: 'a'.repeat(4_000) } },
      'data: expected at most 4096 bytes of title, content and data together for PUSH, found 4208',
    ],
    [
      { ...webhook, data: { a: 'a'.repeat(65_536) } },
      'data: expected at most 65536 bytes of JSON for WEBHOOK, found 65544',
    ],
    [{ ...email, html: 'é'.repeat(50_001) }, 'html: expected a string of 1 to 100000 bytes, found 100002'],
    [{ ...plain, recipient: '555'.repeat(200) }, 'recipient: expected at most 320 bytes for SMS, found 600'],
    [
      { ...plain, recipient: '0555 123' },
      'recipient: expected a phone number with country code, such as +905551234567, found a string of 8 characters',
    ],
    [{ ...plain, content: '😀'.repeat(161) }, 'content: expected at most 160 characters for SMS, found 161'],
  ])('names field, limit and measured length (%#)', async (body, message) => {
    const { post } = setup()
    const { errors } = await problemOf(await post('/v1/notifications', body))
    expect(errors.map((one) => one.message)).toEqual([message])
  })

  it('names a likely field for an unknown one when something is missing', async () => {
    const { post } = setup()
    const problem = await problemOf(await post('/v1/notifications', { channel: 'SMS', recipent: 'x', content: 'y' }))
    expect(problem.errors.map((one) => one.path)).toEqual(['recipient'])
    expect(problem.warnings[0]?.message).toContain('did you mean "recipient"?')
  })

  it('refuses unknown fields when asked to be strict', async () => {
    const { post } = setup()
    const headers = { prefer: 'respond-async, handling=strict' }
    const problem = await problemOf(await post('/v1/notifications', { ...plain, prioritiy: 'HIGH' }, headers))
    expect(problem.errors).toEqual([
      {
        path: 'prioritiy',
        code: 'unknown_field',
        message: 'prioritiy: expected a known field, found "prioritiy"; did you mean "priority"?',
      },
    ])
  })

  it.each([
    [
      'body and header keys that differ',
      { 'idempotency-key': 'a' },
      { ...plain, idempotencyKey: 'b' },
      'idempotencyKey',
    ],
    ['an over-long header key', { 'idempotency-key': 'k'.repeat(256) }, plain, 'Idempotency-Key'],
  ])('%s are a 400', async (_what, headers, body, path) => {
    const { post } = setup()
    const response = await post('/v1/notifications', body, headers)
    expect(response.status).toBe(400)
    expect((await problemOf(response)).errors[0]?.path).toBe(path)
  })
})

describe('bodies that are not what they should be', () => {
  it.each([
    ['no content type', {}],
    ['text', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['another charset', { 'content-type': 'application/json; charset=latin1' }],
    ['gzip', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
  ])('%s is a 415', async (_what, headers) => {
    const { send } = setup()
    const body = new TextEncoder().encode(JSON.stringify(plain))
    const response = await send('/v1/notifications', { method: 'POST', headers, body })
    expect(response.status).toBe(415)
    expect((await problemOf(response)).error).toMatch(/^Content-(Type|Encoding): expected/)
  })

  it.each([
    'application/json',
    'application/json; charset=UTF-8',
    'application/vnd.x+json',
    'Application/JSON;charset="utf-8"',
  ])('%s is read', async (type) => {
    const { post } = setup()
    expect((await post('/v1/notifications', plain, { 'content-type': type })).status).toBe(202)
  })

  it.each([
    ['/v1/notifications', 2 * 1024 * 1024],
    ['/v1/notifications/batch', 11 * 1024 * 1024],
  ])('too many bytes for %s are a 413, declared or not', async (path, bytes) => {
    const { send } = setup()
    const body = new Uint8Array(bytes).fill(0x20)
    const headers = { 'content-type': 'application/json' }
    const chunked = await send(path, { method: 'POST', headers, body })
    const declared = await send(path, {
      method: 'POST',
      headers: { ...headers, 'content-length': String(bytes) },
      body,
    })
    for (const response of [chunked, declared]) {
      expect(response.status).toBe(413)
      expect((await problemOf(response)).code).toBe('payload_too_large')
    }
  })

  it('bytes that are not UTF-8 are a 400', async () => {
    const { send } = setup()
    const body = Buffer.concat([Buffer.from('{"recipient":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])
    const headers = { 'content-type': 'application/json' }
    const problem = await problemOf(await send('/v1/notifications', { method: 'POST', headers, body }))
    expect(problem.errors[0]).toMatchObject({ path: 'body', code: 'invalid_utf8' })
  })

  it('more large bodies at once than memory allows are a 503 with Retry-After', async () => {
    const { post } = setup({ settings: { bodyBudgetBytes: 1_000 } })
    const response = await post('/v1/notifications', { ...plain, metadata: { a: 'x'.repeat(1_000) } })
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
    expect((await post('/v1/notifications', plain)).status).toBe(202) // the budget was given back
  })
})

describe('bad input to POST /v1/notifications/batch', () => {
  it.each([
    ['no items', { notifications: [] }, 'notifications', 'empty'],
    ['1,001 items', { notifications: Array.from({ length: 1_001 }, () => plain) }, 'notifications', 'too_many'],
    ['no list', { notifications: plain }, 'notifications', 'invalid_type'],
    ['nothing', {}, 'notifications', 'required'],
    ['a bare list', [plain], 'body', 'invalid_type'],
    ['an item that is no object', { notifications: [plain, 'x'] }, 'notifications[1]', 'invalid_type'],
    [
      'NUL in an item',
      { notifications: [plain, { ...plain, content: '\u0000' }] },
      'notifications[1].content',
      'nul_character',
    ],
  ])('%s is a 400 that names the place', async (_what, body, path, code) => {
    const { post, accepted } = setup()
    const response = await post('/v1/notifications/batch', body)
    expect(response.status).toBe(400)
    expect((await problemOf(response)).errors[0]).toMatchObject({ path, code })
    expect(accepted).toEqual([])
  })

  it('names each bad index and stores nothing of the batch', async () => {
    const { post, accepted } = setup()
    const notifications = [plain, { ...plain, recipient: '' }, plain, { ...plain, channel: 'FAX' }]
    const problem = await problemOf(await post('/v1/notifications/batch', { notifications }))
    expect(problem.errors.map((one) => one.path)).toEqual(['notifications[1].recipient', 'notifications[3].channel'])
    expect(accepted).toEqual([])
  })

  it('lists at most 100 errors and says how many there are', async () => {
    const { post } = setup()
    const notifications = Array.from({ length: 1_000 }, () => ({}))
    const problem = await problemOf(await post('/v1/notifications/batch', { notifications }))
    expect(problem.errors).toHaveLength(100)
    expect(problem.error).toContain('(and 2999 more errors, the first 100 of them are listed)')
  })

  it('refuses the Idempotency-Key header, since each item has its own', async () => {
    const { post } = setup()
    const response = await post('/v1/notifications/batch', { notifications: [plain] }, { 'idempotency-key': 'k' })
    expect(response.status).toBe(400)
    expect((await problemOf(response)).errors[0]?.path).toBe('Idempotency-Key')
  })
})

describe('bad paths and queries', () => {
  it.each([
    ['GET', '/v1/notifications/not-an-id', 'id'],
    ['GET', '/v1/notifications/not-an-id/attempts', 'id'],
    ['POST', '/v1/notifications/123/cancel', 'id'],
    ['POST', '/v1/notifications/123/replay', 'id'],
    ['GET', '/v1/notifications/%00', 'id'],
    ['GET', '/v1/batches/nope', 'batchId'],
    ['GET', `/v1/notifications/${knownId}?include=all`, 'include'],
    ['GET', '/v1/notifications?statuss=SENT', 'statuss'],
    ['GET', '/v1/notifications?status=GONE', 'status'],
    ['GET', '/v1/notifications?status=SENT&status=FAILED', 'status'],
    ['GET', '/v1/notifications?channel=FAX', 'channel'],
    ['GET', '/v1/notifications?from=yesterday', 'from'],
    ['GET', '/v1/notifications?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'from'],
    ['GET', '/v1/notifications?batchId=7', 'batchId'],
    ['GET', '/v1/notifications?recipient=%00', 'recipient'],
    ['GET', '/v1/notifications?recipient=%ff', 'recipient'],
    ['GET', '/v1/notifications?page=0', 'page'],
    ['GET', '/v1/notifications?page=1.5', 'page'],
    ['GET', '/v1/notifications?pageSize=101', 'pageSize'],
    ['GET', '/v1/notifications?limit=0', 'limit'],
    ['GET', '/v1/notifications?limit=101', 'limit'],
    ['GET', '/v1/notifications?total=some', 'total'],
    ['GET', '/v1/notifications?cursor=&page=1', 'page'],
    ['GET', '/v1/notifications?limit=5&pageSize=5', 'pageSize'],
    ['GET', '/v1/notifications?cursor=garbage', 'cursor'],
    ['GET', '/readyz?for=ever', 'for'],
  ])('%s %s is a 400 that names %s', async (method, path, field) => {
    const { send } = setup()
    const response = await send(path, { method })
    expect(response.status).toBe(400)
    expect((await problemOf(response)).errors[0]?.path).toBe(field)
  })

  it.each([
    ['GET', `/v1/notifications/${unknownId}`],
    ['GET', `/v1/notifications/${unknownId}?include=attempts`],
    ['GET', `/v1/notifications/${unknownId}/attempts`],
    ['POST', `/v1/notifications/${unknownId}/cancel`],
    ['POST', `/v1/notifications/${unknownId}/replay`],
    ['GET', `/v1/batches/${unknownId}`],
    ['GET', '/nothing/here'],
    ['GET', '/v1/nothing'],
  ])('%s %s is a 404', async (method, path) => {
    const { send } = setup()
    const response = await send(path, { method })
    expect(response.status).toBe(404)
    expect((await problemOf(response)).code).toBe('not_found')
  })

  it.each([
    ['DELETE', '/v1/notifications', 'POST, GET, HEAD'],
    ['GET', '/v1/notifications/batch', 'POST'],
    ['PATCH', `/v1/notifications/${knownId}`, 'GET, HEAD'],
    ['GET', `/v1/notifications/${knownId}/cancel`, 'POST'],
    ['POST', `/v1/batches/${batchId}`, 'GET, HEAD'],
    ['POST', '/livez', 'GET, HEAD'],
  ])('%s %s is a 405 that allows %s', async (method, path, allow) => {
    const { send } = setup()
    const response = await send(path, { method })
    expect([response.status, response.headers.get('allow')]).toEqual([405, allow])
    expect((await problemOf(response)).code).toBe('method_not_allowed')
  })
})
