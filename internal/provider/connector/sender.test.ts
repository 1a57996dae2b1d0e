import { createHmac } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Webhook } from 'standardwebhooks'
import { Agent } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../lifecycle/system-clock.ts'
import { eventually } from '../../testkit/eventually.ts'
import { ManualClock } from '../../testkit/manual-clock.ts'
import { BlockedAddressError } from '../egress/blocked.ts'
import { connectorOf, exampleMessage, firstOf, httpTarget, senderOf, tcpTarget } from './example.suite.ts'
import { ConnectorSender } from './sender.ts'

const config = (url: string) => ({ url, apiKey: 'sesame-open-key' })
/** Resolves when a client of this process has read the headers of an answer of `url`. */
async function headersOf(url: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const onHeaders = (event: unknown) => {
    if (typeof event === 'object' && event !== null && 'request' in event && isOf(event.request, url)) resolve()
  }
  subscribe('undici:request:headers', onHeaders)
  onTestFinished(() => void unsubscribe('undici:request:headers', onHeaders))
  return promise
}

function isOf(request: unknown, url: string): boolean {
  return typeof request === 'object' && request !== null && 'origin' in request && String(request.origin) === url
}

const ok = () => httpTarget((_, response) => response.end('{}'))

describe('a connection sends', () => {
  it('what the document describes', async () => {
    const { url, requests } = await ok()
    const { send } = senderOf(config(url), {
      auth: { kind: 'bearer', token: '{{ config.apiKey }}' },
      idempotency: { in: 'header', name: 'Idempotency-Key' },
      request: {
        url: '{{ config.url }}/to/{{ message.to }}/{{ message.title }}?v=1',
        query: { wait: 'true', tag: '{{ message.tags }}', none: '{{ message.html }}' },
        headers: { 'X-Priority': '{{ message.priority }}', 'x-html': '{{ message.html }}' },
        body: { text: '{{ message.content }}', n: 1 },
      },
    })
    expect(await send({ title: '../a b?' })).toMatchObject({ class: 'accepted', statusCode: 200, rule: null })
    expect(requests).toEqual([
      {
        method: 'POST',
        url: '/to/%2B491234567/..%2Fa%20b%3F?v=1&wait=true&tag=a&tag=b',
        headers: expect.objectContaining({
          'content-type': 'application/json',
          'user-agent': 'dispatch-engine/1.2.3',
          authorization: 'Bearer sesame-open-key',
          'idempotency-key': exampleMessage.key,
          'x-priority': 'NORMAL',
        }),
        body: '{"text":"Your code is 123456","n":1}',
      },
    ])
    expect(requests[0]?.headers).not.toHaveProperty('x-html')
  })

  it.each([
    [
      'form',
      { a: '{{ message.to }}', b: ['x', 'y'], c: '{{ message.html }}', d: '{{ message.data }}' },
      'application/x-www-form-urlencoded',
      'a=%2B491234567&b=x&b=y&d=%7B%22n%22%3A1%7D',
    ],
    [
      'text',
      'To {{ message.to }}: {{ message.content }}',
      'text/plain; charset=utf-8',
      'To +491234567: Your code is 123456',
    ],
    ['none', undefined, undefined, ''],
  ])('in the encoding %s', async (encoding, body, type, sent) => {
    const { url, requests } = await ok()
    await senderOf(config(url), { request: { url: '{{ config.url }}', encoding, body } }).send({ data: { n: 1 } })
    expect([requests[0]?.headers['content-type'], requests[0]?.body]).toEqual([type, sent])
  })

  it('in the encoding multipart', async () => {
    const { url, requests } = await ok()
    const body = { a: '{{ message.to }}', 'b"': ['x', 'y'] }
    await senderOf(config(url), { request: { url: '{{ config.url }}', encoding: 'multipart', body } }).send()
    const [only] = requests
    const type = only?.headers['content-type'] ?? ''
    const form = await new Response(only?.body, { headers: { 'content-type': type } }).formData()
    expect([...form]).toEqual([
      ['a', '+491234567'],
      ['b"', 'x'],
      ['b"', 'y'],
    ])
  })

  it.each([
    [
      { kind: 'basic', username: 'me', password: '{{ config.apiKey }}' },
      'authorization',
      `Basic ${btoa('me:sesame-open-key')}`,
    ],
    [
      { kind: 'api_key', in: 'header', name: 'X-Key', value: 'Token {{ config.apiKey }}' },
      'x-key',
      'Token sesame-open-key',
    ],
  ])('with the auth %j', async (auth, header, value) => {
    const { url, requests } = await ok()
    await senderOf(config(url), { auth }).send()
    expect(requests[0]?.headers[header]).toBe(value)
  })

  it('with a key in the query, or in the body beside its keys', async () => {
    const { url, requests } = await ok()
    const auth = (place: string) => ({ kind: 'api_key', in: place, name: 'key', value: '{{ config.apiKey }}' })
    await senderOf(config(url), { auth: auth('query') }).send()
    await senderOf(config(url), { auth: auth('body') }).send()
    expect(requests[0]?.url).toBe('/send?key=sesame-open-key')
    expect(JSON.parse(requests[1]?.body ?? '')).toEqual({
      to: exampleMessage.to,
      text: exampleMessage.content,
      key: 'sesame-open-key',
    })
  })

  it('with an HMAC over just the bytes that go out', async () => {
    const { url, requests } = await ok()
    const auth = {
      kind: 'hmac_sha256',
      secret: '{{ config.apiKey }}',
      header: 'x-signature',
      prefix: 'sha256=',
      sign: ['timestamp', 'body'],
      timestampHeader: 'x-time',
    }
    await senderOf(config(url), { auth }).send({ content: 'Grüße 😀' })
    const { headers, body } = firstOf(requests)
    const expected = createHmac('sha256', 'sesame-open-key')
      .update(`${String(headers['x-time'])}.${body}`)
      .digest('hex')
    expect(headers['x-signature']).toBe(`sha256=${expected}`)
  })

  it('with Standard Webhooks signatures of all secrets, which the public library accepts', async () => {
    const { url, requests } = await ok()
    const secrets = [
      'whsec_ZXhhbXBsZS1leGFtcGxlLWV4YW1wbGUtZXhhbXBsZQ==',
      'whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXIhIQ==',
    ]
    const parts = {
      config: { url: { type: 'url' }, secrets: { type: 'strings', secret: true } },
      auth: { kind: 'standard_webhooks', secret: '{{ config.secrets }}' },
    }
    await senderOf({ url, secrets }, parts).send()
    const { headers, body } = firstOf(requests)
    const signed = {
      'webhook-id': String(headers['webhook-id']),
      'webhook-timestamp': String(headers['webhook-timestamp']),
      'webhook-signature': String(headers['webhook-signature']),
    }
    for (const secret of secrets) expect(new Webhook(secret).verify(body, signed)).toEqual(JSON.parse(body))
    expect(signed['webhook-id']).toBe(exampleMessage.key)
  })

  it('nothing at all under a signing secret that cannot sign', async () => {
    const { url } = await ok()
    const parts = {
      config: { url: { type: 'url' }, secrets: { type: 'strings', secret: true } },
      auth: { kind: 'standard_webhooks', secret: '{{ config.secrets }}' },
    }
    expect(() => senderOf({ url, secrets: ['whsec_c2hvcnQ='] }, parts)).toThrow('found 5 bytes')
  })

  it('many at once', async () => {
    const { url, requests } = await ok()
    const { send } = senderOf(config(url))
    const results = await Promise.all(Array.from({ length: 30 }, () => send()))
    expect([results.every((one) => one.class === 'accepted'), requests.length]).toEqual([true, 30])
  })

  it('nothing that cannot be written as a request', async () => {
    const { url, requests } = await ok()
    const request = { url: '{{ config.url }}', headers: { 'x-title': '{{ message.title }}' } }
    const { send } = senderOf(config(url), { request })
    expect(await send({ title: 'a\r\nx-evil: 1' })).toMatchObject({
      class: 'permanent',
      code: 'invalid_header',
      statusCode: null,
    })
    expect(await send({ title: 'Grüße' })).toMatchObject({ class: 'permanent', code: 'invalid_header' })
    const looping = {
      url: '{{ config.url }}',
      body: { a: '{% for i in (1..100000000) %}x{% endfor %}{{ message.to }}' },
    }
    expect(await senderOf(config(url), { request: looping }).send()).toMatchObject({
      class: 'permanent',
      code: 'template_failed',
    })
    const heavy = senderOf(config(url), { limits: { payload: { maxBytes: 40 } } })
    expect(await heavy.send()).toMatchObject({
      class: 'permanent',
      code: 'limit_exceeded',
      message: 'payload is 48 bytes long, this connector takes at most 40',
    })
    expect(requests).toEqual([])
  })

  it('to a test of the connection without sending anything', async () => {
    const { url, requests } = await httpTarget((_, response, { headers }) => {
      response.statusCode = headers.authorization === 'Bearer sesame-open-key' ? 200 : 401
      response.end()
    })
    const parts = {
      auth: { kind: 'bearer', token: '{{ config.apiKey }}' },
      errors: [{ match: { status: [401] }, class: 'config' }],
      probe: { url: '{{ config.url }}/me', success: { status: [200] } },
    }
    const signal = AbortSignal.timeout(10_000)
    expect(await senderOf(config(url), parts).sender.probe(signal)).toMatchObject({ class: 'accepted' })
    expect(await senderOf({ url, apiKey: 'another-key' }, parts).sender.probe(signal)).toMatchObject({
      class: 'config',
      statusCode: 401,
    })
    expect(requests.map(({ method, url: path }) => [method, path])).toEqual([
      ['GET', '/me'],
      ['GET', '/me'],
    ])
    expect(await senderOf(config(url)).sender.probe(signal)).toBeNull()
  })
})

describe('a split message', () => {
  const parts = { limits: { content: { max: 4, overflow: 'split' } } }

  it('goes out part after part, and its id is that of the first', async () => {
    const { url, requests } = await httpTarget((_, response, { body }) => response.end(body))
    const { send } = senderOf(config(url), { ...parts, messageId: { from: 'body', path: 'text' } })
    expect(await send({ content: 'abcdefghij' })).toMatchObject({ class: 'accepted', providerMessageId: 'abcd' })
    expect(requests.map(({ body }) => body)).toEqual([
      expect.stringContaining('abcd'),
      expect.stringContaining('efgh'),
      expect.stringContaining('ij'),
    ])
  })

  it.each([
    [503, 'ambiguous'],
    [429, 'ambiguous'],
    [400, 'permanent'],
  ])('is not sent again from its start when a later part is answered %i', async (status, answerClass) => {
    const { url, requests } = await httpTarget((_, response, { body }) => {
      response.statusCode = body.includes('efgh') ? status : 200
      response.end()
    })
    const result = await senderOf(config(url), parts).send({ content: 'abcdefghij' })
    expect(result).toMatchObject({
      class: answerClass,
      statusCode: status,
      message: expect.stringContaining('part 2 of 3: '),
    })
    expect(requests).toHaveLength(2)
  })
})

describe('a failure is told as what it is', () => {
  it('when nobody listens', async () => {
    const { send } = senderOf(config('http://127.0.0.1:1'))
    expect(await send()).toMatchObject({ class: 'transient', code: 'connection_refused', statusCode: null })
  })

  it('when the target hangs: the bytes are written, so it may have arrived', async () => {
    const clock = new ManualClock()
    const { url, requests } = await httpTarget(() => undefined)
    const { send } = senderOf(config(url), {}, clock)
    const sending = send()
    await eventually(() => requests.length === 1)
    await clock.advance(10_000)
    expect(await sending).toMatchObject({ class: 'ambiguous', code: 'timeout' })
  })

  it('when the guard refuses the target: for good', async () => {
    const dispatcher = new Agent({
      connect: (_, callback) => callback(new BlockedAddressError('its address is private'), null),
    })
    const connector = connectorOf()
    const sender = new ConnectorSender(connector, { url: 'http://10.0.0.1' }, { dispatcher, clock: systemClock })
    onTestFinished(() => dispatcher.destroy())
    expect(await sender.send(exampleMessage, AbortSignal.timeout(10_000))).toMatchObject({
      class: 'permanent',
      code: 'blocked_address',
      message: 'the target is not allowed: its address is private',
    })
  })

  it('when the caller calls it off before it began', async () => {
    const { url, requests } = await ok()
    const { send } = senderOf(config(url))
    expect(await send({}, AbortSignal.abort())).toMatchObject({ class: 'transient', code: 'aborted' })
    expect(requests).toEqual([])
  })

  it('when the target resets the connection', async () => {
    const { url } = await tcpTarget((socket) => socket.resetAndDestroy())
    expect(await senderOf(config(url)).send()).toMatchObject({ class: 'ambiguous', code: 'connection_reset' })
  })

  it('when the target answers something that is not HTTP', async () => {
    const { url } = await tcpTarget((socket) => socket.end('SSH-2.0-x\r\n\r\n'))
    expect(await senderOf(config(url)).send()).toMatchObject({ class: 'ambiguous', code: 'bad_response' })
  })

  it('when a proxy answers in HTML', async () => {
    const { url } = await httpTarget((_, response) =>
      response.writeHead(502, { 'content-type': 'text/html' }).end('<html><h1>Bad gateway'),
    )
    const parts = {
      success: { status: [200], body: { path: 'ok', in: [true] } },
      describe: { message: { path: 'a.b' } },
    }
    expect(await senderOf(config(url), parts).send()).toMatchObject({
      class: 'transient',
      code: 'http_502',
      responseExcerpt: '<html><h1>Bad gateway',
    })
  })

  it('when the answer is a redirect: it is not followed', async () => {
    const { url, requests } = await httpTarget((_, response) =>
      response.writeHead(302, { location: '/elsewhere' }).end(),
    )
    expect(await senderOf(config(url)).send()).toMatchObject({ class: 'permanent', code: 'http_302' })
    expect(requests).toHaveLength(1)
  })

  it('when the answer is huge: the status decides where nothing else must', async () => {
    const { url } = await httpTarget((_, response) => {
      response.on('error', () => undefined).end('x'.repeat(5_000_000))
    })
    const result = await senderOf(config(url)).send()
    expect(result.class).toBe('accepted')
    expect(result.responseExcerpt?.length).toBeLessThanOrEqual(1_024)
    expect(await senderOf(config(url), { success: { status: [200], text: { equals: 'ok' } } }).send()).toMatchObject({
      class: 'ambiguous',
    })
  })

  it('when the body drips until the deadline', async () => {
    const clock = new ManualClock()
    const { url } = await httpTarget((_, response) => void response.writeHead(200).write('{"ok":'))
    const { send } = senderOf(config(url), {}, clock)
    const begun = headersOf(url)
    const sending = send()
    await begun
    await clock.advance(10_000)
    expect(await sending).toMatchObject({ class: 'accepted', statusCode: 200 })
  })

  it('without any secret of the connection or the message', async () => {
    const { url } = await httpTarget((_, response, { body, headers }) => {
      response.writeHead(400, { 'content-type': 'text/plain' }).end(`${body} ${headers.authorization}`)
    })
    const parts = {
      auth: { kind: 'basic', username: 'me', password: '{{ config.apiKey }}' },
      describe: { message: { text: true } },
    }
    const result = await senderOf(config(url), parts).send({ data: { deep: ['a-text-of-data'] } })
    expect(result.responseExcerpt).toContain('[redacted]')
    for (const secret of ['sesame-open-key', btoa('me:sesame-open-key'), exampleMessage.to, exampleMessage.content]) {
      expect(JSON.stringify(result)).not.toContain(secret)
    }
  })
})
