import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { systemClock } from '../lifecycle/system-clock.ts'
import type { Clock } from '../port/clock.ts'
import type { Claimed } from '../port/notification-store.ts'
import type { Logger } from '../port/telemetry.ts'
import { aClaim } from '../testkit/builders.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { type EgressSettings, openEgress } from './egress/egress.ts'
import { type WebhookOptions, WebhookProvider } from './webhook.ts'

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }

const message = aClaim(
  { id: '0190a1b2-0000-7000-8000-000000000001', leaseToken: 0 },
  {
    correlationId: 'corr-1',
    recipient: '+491234567',
    content: 'Your code is 123456',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    generation: 2,
  },
)

/** A provider with short limits, its deadline, and what the test needs to move time. */
function provider(url: string, options: Partial<WebhookOptions & EgressSettings> & { clock?: Clock } = {}) {
  const { clock = systemClock, bodyReadMaxMs, version, ...settings } = options
  const egress = openEgress({ trustedUrls: [url], connectTimeoutMs: 300, stopMaxMs: 200, ...settings }, { clock })
  const given = {
    ...(bodyReadMaxMs === undefined ? {} : { bodyReadMaxMs }),
    ...(version === undefined ? {} : { version }),
  }
  const webhook = new WebhookProvider({ url, ...given }, { logger: silent, clock, egress })
  onTestFinished(() => egress.close())
  const send = (signal: AbortSignal = AbortSignal.timeout(5_000), changes: Partial<Claimed> = {}) =>
    webhook.send({ ...message, ...changes }, signal)
  return { egress, send }
}

async function listening(server: Server) {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address: AddressInfo | string | null = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { port, url: `http://127.0.0.1:${port}`, sockets }
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void

/** An HTTP target that reads each request whole and then does as told. */
async function target(handler: Handler) {
  const requests: { readonly request: IncomingMessage; readonly body: string }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      requests.push({ request, body })
      handler(request, response, body)
    })
  })
  return { ...(await listening(server)), requests }
}

/** A TCP target: `onData` gets each chunk that comes in. */
async function rawTarget(onData: (socket: Socket, text: string) => void) {
  return listening(
    createTcpServer((socket) => socket.setEncoding('utf8').on('data', (text: string) => onData(socket, text))),
  )
}

const ok: Handler = (_, response) => response.end('{}')

describe('WebhookProvider sends', () => {
  it('to, channel and content under the key of the generation, with the context of the request', async () => {
    const { url, requests } = await target(ok)
    const { send } = provider(`${url.replace('//', '//user:p%40ss@')}/hook?token=1`, { version: '1.2.3' })
    expect(await send()).toMatchObject({ kind: 'accepted', statusCode: 200 })
    const [only] = requests
    expect(only?.request).toMatchObject({ method: 'POST', url: '/hook?token=1' })
    expect(JSON.parse(only?.body ?? '')).toEqual({ to: '+491234567', channel: 'sms', content: 'Your code is 123456' })
    expect(only?.request.headers).toMatchObject({
      'content-type': 'application/json',
      'idempotency-key': `${message.id}:2`,
      'x-request-id': 'corr-1',
      'x-correlation-id': 'corr-1',
      traceparent: message.traceparent,
      'user-agent': 'dispatch-engine/1.2.3',
      authorization: `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
    })
  })

  it('title, HTML and data where there are any, and keeps none of the texts that come back', async () => {
    const { url, requests } = await target((_, response) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end('no Order 4711, no <p>code</p>')
    })
    const more = { title: 'Order 4711', html: '<p>code</p>', data: { order: 4711 } }
    const result = await provider(url).send(undefined, more)
    expect(JSON.parse(requests[0]?.body ?? '')).toMatchObject({ content: 'Your code is 123456', ...more })
    expect(result.responseExcerpt).toBe('no [redacted], no [redacted]')
  })

  it.each(['a\r\nx: y', 'Grüße', ' blank', ''])('no header that HTTP cannot carry (%j)', async (correlationId) => {
    const { url, requests } = await target(ok)
    expect(await provider(url).send(undefined, { correlationId, traceparent: null })).toMatchObject({
      kind: 'accepted',
    })
    expect(Object.keys(requests[0]?.request.headers ?? {})).not.toContain('x-request-id')
    expect(Object.keys(requests[0]?.request.headers ?? {})).not.toContain('traceparent')
  })

  it('many at once over connections that are used again', async () => {
    const { url, sockets, requests } = await target(ok)
    const { send } = provider(url, { connections: 3 })
    const results = await Promise.all(Array.from({ length: 30 }, () => send()))
    expect(results.every(({ kind }) => kind === 'accepted')).toBe(true)
    expect([requests.length, sockets.size]).toEqual([30, 3])
  })
})

describe('WebhookProvider takes an answer', () => {
  it.each([
    [{ 'x-request-id': 'h1', 'x-correlation-id': 'h2' }, '{"messageId":"b"}', 'h1'],
    [{ 'x-correlation-id': 'h2' }, '{"messageId":"b"}', 'h2'],
    [{ 'x-request-id': 'corr-1', 'x-correlation-id': 'corr-1' }, '{"messageId":"b"}', 'b'],
    [{}, '{"messageId":"b"}', 'b'],
    [{}, '{"messageId":42}', '42'],
    [{}, '{"messageId":"a\\u0000b\\ud800"}', 'a b\ufffd'],
    [{}, `{"messageId":"${'x'.repeat(300)}"}`, 'x'.repeat(255)],
    [{}, '{"messageId":{}}', null],
    [{}, '{"id":"b"}', null],
    [{}, '["b"]', null],
    [{}, '{broken', null],
    [{}, '', null],
  ])('and finds the message id (%j %s)', async (headers, body, providerMessageId) => {
    const { url } = await target((_, response) => response.writeHead(202, headers).end(body))
    expect(await provider(url).send()).toMatchObject({ kind: 'accepted', providerMessageId, statusCode: 202 })
  })

  it('by its status: redirects are not followed, pauses are honoured', async () => {
    const { url, requests } = await target((request, response) => {
      const status = Number(request.url?.slice(1))
      response.writeHead(status, { location: '/200', 'retry-after': '7' }).end('no')
    })
    const results = await Promise.all([302, 404, 429, 503, 500].map((status) => provider(`${url}/${status}`).send()))
    expect(results).toMatchObject([
      { kind: 'permanent', code: 'http_302', responseExcerpt: 'no' },
      { kind: 'permanent', code: 'http_404' },
      { kind: 'rate_limited', code: 'http_429', retryAfterMs: 7_000 },
      { kind: 'transient', code: 'http_503', retryAfterMs: 7_000 },
      { kind: 'transient', code: 'http_500', retryAfterMs: null },
    ])
    expect(requests).toHaveLength(5)
  })

  it('after early hints', async () => {
    const { url } = await target((_, response) => {
      response.writeEarlyHints({ link: '</x>; rel=preload' })
      response.end('{"messageId":"m"}')
    })
    expect(await provider(url).send()).toMatchObject({ kind: 'accepted', providerMessageId: 'm' })
  })

  it('and keeps of its text only what is safe to store', async () => {
    const answers = {
      '/echo': ['text/plain', `got ${message.content}\u0000 for ${message.recipient}\n${'y'.repeat(2_000)}`],
      '/binary': ['image/png', 'png'],
    } as const
    const { url } = await target((request, response) => {
      const [type, body] = answers[request.url === '/echo' ? '/echo' : '/binary']
      response.writeHead(500, { 'content-type': type }).end(body)
    })
    const echo = await provider(`${url}/echo`).send()
    expect(echo.responseExcerpt).toMatch(/^got \[redacted\]\ufffd for \[redacted\] y+$/)
    expect(echo.responseExcerpt).toHaveLength(1_024)
    expect((await provider(`${url}/binary`).send()).responseExcerpt).toBeNull()
  })
})

describe('WebhookProvider counts a 2xx as sent', () => {
  it('though its body drips for ever, and lets go of the connection', async () => {
    const clock = new ManualClock()
    const { url, sockets, requests } = await target((_, response) => void response.writeHead(200).write('a'))
    const sending = provider(url, { clock, bodyReadMaxMs: 2_000 }).send()
    await vi.waitFor(() => expect([requests.length, clock.pending]).toEqual([1, 1]))
    await clock.advance(2_000)
    expect(await sending).toMatchObject({ kind: 'accepted', statusCode: 200 })
    await vi.waitFor(() => expect(sockets.size).toBe(0))
  })

  it('though the deadline ends inside the body', async () => {
    const clock = new ManualClock()
    const { url, sockets } = await target((_, response) => void response.writeHead(200).write('a'))
    const abort = new AbortController()
    const sending = provider(url, { clock, bodyReadMaxMs: 60_000 }).send(abort.signal)
    await vi.waitFor(() => expect(clock.pending).toBe(1)) // the body is being read
    abort.abort(new DOMException('late', 'TimeoutError'))
    expect(await sending).toMatchObject({ kind: 'accepted' })
    await vi.waitFor(() => expect(sockets.size).toBe(0))
  })

  it('though its body breaks off', async () => {
    const { url } = await rawTarget((socket) =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"messageId":"m"}'),
    )
    expect(await provider(url).send()).toMatchObject({ kind: 'accepted', providerMessageId: null })
  })

  it('though its body is huge, of which little is read', async () => {
    let written = 0
    const { url, sockets } = await target((_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 'x'))) written += 65_536
        response.once('drain', more)
      }
      more()
    })
    const result = await provider(url, { clock: new ManualClock() }).send() // its time for bodies never ends
    expect(result).toMatchObject({ kind: 'accepted', responseExcerpt: 'x'.repeat(1_024) })
    await vi.waitFor(() => expect(sockets.size).toBe(0))
    expect(written).toBeLessThan(20_000_000)
  })
})

describe('WebhookProvider knows that nothing arrived', () => {
  it('when the port is closed', async () => {
    const closed = createTcpServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const address = closed.address()
    closed.close()
    await once(closed, 'close')
    const port = typeof address === 'object' ? address?.port : 0
    expect(await provider(`http://127.0.0.1:${port}`).send()).toMatchObject({
      kind: 'transient',
      code: 'connection_refused',
    })
  })

  it('when the name does not exist', async () => {
    const result = await provider('http://no-such-host.invalid', { connectTimeoutMs: 900 }).send()
    expect(result).toMatchObject({ kind: 'transient' })
    expect(['dns_failure', 'connect_timeout']).toContain('code' in result ? result.code : '') // the latter without a resolver
  })

  it('when the connection is not made in time', async () => {
    const { port } = await listening(createTcpServer()) // takes the connection and never says a word of TLS
    expect(await provider(`https://127.0.0.1:${port}`).send()).toMatchObject({
      kind: 'transient',
      code: 'connect_timeout',
    })
  })

  it('when the deadline ends while connecting', async () => {
    const { port, sockets } = await listening(createTcpServer())
    const abort = new AbortController()
    const sending = provider(`https://127.0.0.1:${port}`, { connectTimeoutMs: 900 }).send(abort.signal)
    await vi.waitFor(() => expect(sockets.size).toBe(1))
    abort.abort(new DOMException('late', 'TimeoutError'))
    expect(await sending).toMatchObject({ kind: 'transient', code: 'timeout' })
  })

  it('when TLS cannot be agreed on', async () => {
    const { url } = await target(ok)
    expect(await provider(url.replace('http:', 'https:')).send()).toMatchObject({
      kind: 'transient',
      code: 'tls_failure',
    })
  })

  it('when the connection breaks before it is ready', async () => {
    const { port } = await rawTarget((socket) => socket.resetAndDestroy())
    expect(await provider(`https://127.0.0.1:${port}`).send()).toMatchObject({
      kind: 'transient',
      code: 'connection_reset',
    })
  })

  it('when the deadline was over before', async () => {
    const { url, requests } = await target(ok)
    expect(await provider(url).send(AbortSignal.abort())).toMatchObject({ kind: 'transient', code: 'aborted' })
    expect(requests).toEqual([])
  })

  it('when the deadline ends while waiting for a free connection, and never sends it later', async () => {
    const held: ServerResponse[] = []
    const { url, requests } = await target((_, response) => void held.push(response))
    const { send } = provider(url, { connections: 1 })
    const first = send()
    await vi.waitFor(() => expect(held).toHaveLength(1))
    const abort = new AbortController()
    const second = send(abort.signal, { recipient: 'second' })
    abort.abort(new DOMException('late', 'TimeoutError'))
    expect(await second).toMatchObject({ kind: 'transient', code: 'timeout' })
    const third = send(undefined, { recipient: 'third' })
    held[0]?.end()
    expect(await first).toMatchObject({ kind: 'accepted' })
    await vi.waitFor(() => expect(held).toHaveLength(2))
    held[1]?.end()
    expect(await third).toMatchObject({ kind: 'accepted' })
    expect(requests.map(({ body }) => body.includes('second'))).toEqual([false, false])
  })
})

describe('WebhookProvider gives up', () => {
  it('on a target that may not be called, and says why', async () => {
    const { url, sockets } = await target(ok)
    expect(
      await provider(url, { trustedUrls: [], plainHttp: true, ports: [{ first: 1, last: 65_535 }] }).send(),
    ).toEqual({
      kind: 'permanent',
      code: 'blocked_address',
      message: 'the target is not allowed: its host is a loopback address',
      statusCode: null,
      responseExcerpt: null,
    })
    expect(sockets.size).toBe(0)
  })
})

describe('WebhookProvider does not know whether it arrived', () => {
  it('when the target reads the request and never answers', async () => {
    const { url, requests, sockets } = await target(() => undefined)
    const abort = new AbortController()
    const sending = provider(url).send(abort.signal)
    await vi.waitFor(() => expect(requests).toHaveLength(1))
    abort.abort(new DOMException('late', 'TimeoutError'))
    expect(await sending).toMatchObject({ kind: 'unknown', code: 'timeout', statusCode: null })
    await vi.waitFor(() => expect(sockets.size).toBe(0))
  })

  it.each([
    ['resets', (socket: Socket) => void socket.resetAndDestroy()],
    ['closes', (socket: Socket) => void socket.end()],
    ['breaks off inside the headers', (socket: Socket) => void socket.end('HTTP/1.1 200 OK\r\nx-a: ')],
  ])('when the target %s after reading', async (_, act) => {
    const { url } = await rawTarget(act)
    expect(await provider(url).send()).toMatchObject({ kind: 'unknown', code: 'connection_reset' })
  })

  it('when the answer is not HTTP', async () => {
    const { url } = await rawTarget((socket) => socket.end('220 smtp.example ESMTP\r\n'))
    expect(await provider(url).send()).toMatchObject({ kind: 'unknown', code: 'bad_response' })
  })

  it('when the answer has endless headers', async () => {
    const { url } = await rawTarget((socket) => socket.write(`HTTP/1.1 200 OK\r\nx-a: ${'y'.repeat(40_000)}`))
    expect(await provider(url).send()).toMatchObject({ kind: 'unknown', code: 'bad_response' })
  })

  it('when a kept connection is closed as the next request comes, which is not sent twice', async () => {
    const seen: string[] = []
    const { url } = await rawTarget((socket, text) => {
      seen.push(text)
      if (seen.length === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
      else socket.resetAndDestroy()
    })
    const { send } = provider(url)
    expect(await send()).toMatchObject({ kind: 'accepted' })
    expect(await send()).toMatchObject({ kind: 'unknown', code: 'connection_reset' })
    expect(seen).toHaveLength(2)
  })

  it('but a kept connection that was closed before is replaced without harm', async () => {
    const { url, sockets, requests } = await target(ok)
    const { send } = provider(url)
    for (let n = 1; n <= 5; n++) {
      expect(await send()).toMatchObject({ kind: 'accepted' })
      for (const socket of sockets) socket.destroy()
      await vi.waitFor(() => expect(sockets.size).toBe(0))
      expect(requests).toHaveLength(n)
    }
  })
})

describe('WebhookProvider stops', () => {
  it('after the send in hand has ended, and sends nothing more', async () => {
    const held: ServerResponse[] = []
    const { url, sockets } = await target((_, response) => void held.push(response))
    const { egress, send } = provider(url, { stopMaxMs: 5_000 })
    const sending = send()
    await vi.waitFor(() => expect(held).toHaveLength(1))
    const stopped = Promise.all([egress.close(), egress.close()])
    expect(await send()).toMatchObject({ kind: 'transient', code: 'provider_stopped' })
    held[0]?.end()
    expect(await sending).toMatchObject({ kind: 'accepted' })
    await stopped
    await vi.waitFor(() => expect(sockets.size).toBe(0))
  })

  it('within its time though a target hangs: that outcome is unknown', async () => {
    const clock = new ManualClock()
    const { url, requests, sockets } = await target(() => undefined)
    const { egress, send } = provider(url, { clock, stopMaxMs: 1_000, connections: 1 })
    const sending = send()
    await vi.waitFor(() => expect(requests).toHaveLength(1))
    const waiting = send()
    const stopped = egress.close()
    await clock.advance(1_000)
    await stopped
    expect(await sending).toMatchObject({ kind: 'unknown', code: 'provider_stopped' })
    expect(await waiting).toMatchObject({ kind: 'transient', code: 'provider_stopped' })
    await vi.waitFor(() => expect(sockets.size).toBe(0))
    expect(requests).toHaveLength(1)
  })

  it('at once when it never sent', async () => {
    const { egress } = provider('http://127.0.0.1:1')
    await egress.close()
  })
})

describe('WebhookProvider is not made', () => {
  it.each(['ftp://host/secret', 'secret', '', 'mailto:secret@host'])('for "%s", and does not repeat it', (url) => {
    const make = () =>
      new WebhookProvider(
        { url },
        { logger: silent, clock: systemClock, egress: openEgress({}, { clock: systemClock }) },
      )
    expect(make).toThrow('must be an http: or https: URL')
    expect(make).not.toThrow('secret')
  })
})
