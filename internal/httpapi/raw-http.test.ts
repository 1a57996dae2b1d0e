import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import type { AcceptRequest } from '../dispatch/accept.ts'
import { eventually } from '../testkit/eventually.ts'
import { batchId, notification, plain, problemAnswer, type World } from './app.suite.ts'
import { type Answer, chunked, get, json, post, postHead, serveRaw } from './raw-http.suite.ts'
import type { HttpServerSettings } from './server.ts'

type Served = Awaited<ReturnType<typeof serveRaw>>
const served: Served[] = []
afterEach(async () => {
  await Promise.all(served.splice(0).map((one) => one.close()))
})

async function serve(world: World = {}, settings: Partial<HttpServerSettings> = {}): Promise<Served> {
  const one = await serveRaw(world, settings)
  served.push(one)
  return one
}

const size = Buffer.byteLength(json)
const length = `Content-Length: ${size}\r\n`
const te = 'Transfer-Encoding: chunked\r\n'
const whole = `${chunked(json)}0\r\n\r\n`
const batch = JSON.stringify({
  notifications: Array.from({ length: 1_000 }, () => ({ ...plain, content: 'x'.repeat(150) })),
})
const many = (count: number, line: string) => Array.from({ length: count }, () => line).join('')

/** Every refusal is a problem document of the contract, and whatever was answered 202 was accepted, nothing else. */
function checkAnswers(answers: readonly Answer[], accepted: readonly AcceptRequest[]): void {
  for (const { status, headers, body } of answers) {
    if (status >= 400 && body !== '') {
      const problem = problemAnswer.parse(JSON.parse(body))
      expect([problem.status, problem.requestId]).toEqual([status, headers['x-request-id']])
      expect(headers['content-type']).toBe('application/problem+json; charset=utf-8')
    }
    expect([500, 502, 504]).not.toContain(status)
  }
  expect(accepted).toHaveLength(answers.filter(({ status }) => status === 202).length)
}

type Line = readonly [what: string, bytes: readonly (string | Uint8Array)[], statuses: readonly number[]]

const framing: readonly Line[] = [
  ['a length and chunks', [postHead(`${length}${te}`), whole], [400]],
  ['chunks and a length', [postHead(`${te}${length}`), whole], [400]],
  ['the same length twice', [postHead(length + length), json], [400]],
  ['two lengths', [postHead(`${length}Content-Length: 1\r\n`), json], [400]],
  ['a list of lengths', [postHead(`Content-Length: ${size}, ${size}\r\n`), json], [400]],
  ['a length below zero', [postHead('Content-Length: -1\r\n'), json], [400]],
  ['a length with a sign', [postHead(`Content-Length: +${size}\r\n`), json], [400]],
  ['a length in hexadecimal', [postHead('Content-Length: 0x20\r\n'), json], [400]],
  ['a length beyond 64 bits', [postHead(`Content-Length: ${'9'.repeat(40)}\r\n`), json], [400]],
  ['a length of a petabyte', [postHead('Content-Length: 999999999999999\r\n')], [413]],
  ['an unknown transfer coding', [postHead('Transfer-Encoding: xchunked\r\n'), whole], [400]],
  ['chunked not last', [postHead('Transfer-Encoding: chunked, identity\r\n'), whole], [400]],
  ['chunked twice', [postHead(te + te), whole], [400]],
  ['a blank before the colon', [postHead('Transfer-Encoding : chunked\r\n'), whole], [400]],
  ['no length at all', [postHead(''), json], [400, 400]],
  ['a folded header', [postHead(`X-A: b\r\n c\r\n${length}`), json], [400]],
  ['bare line feeds', ['GET /livez HTTP/1.1\nHost: x\n\n'], [400]],
  ['one bare line feed', ['GET /livez HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n'], [400]],
  ['a bare carriage return', [get('/livez', 'X-A: a\rb\r\n')], [400]],
  ['NUL in a header', [get('/livez', 'X-A: a\0b\r\n')], [400]],
  ['NUL in the target', [get('/liv\0ez')], [400]],
  ['a blank in a header name', [get('/livez', 'X A: b\r\n')], [400]],
  ['a header without name', [get('/livez', ': b\r\n')], [400]],
  ['a chunk size beyond 64 bits', [postHead(te), `FFFFFFFFFFFFFFFFF\r\n${json}\r\n0\r\n\r\n`], [400]],
  ['a chunk size below zero', [postHead(te), `-5\r\n${json}\r\n0\r\n\r\n`], [400]],
  ['a chunk size with a prefix', [postHead(te), `0x5\r\n${json}\r\n0\r\n\r\n`], [400]],
  ['a chunk longer than its size', [postHead(te), `3\r\n${json}\r\n0\r\n\r\n`], [400]],
  ['chunks ended by line feeds', [postHead(te), `${size.toString(16)}\n${json}\n0\n\n`], [400]],
  ['chunk extensions without end', [postHead(te), `5;${'a'.repeat(1 << 20)}`], [400]],
  ['NUL in a trailer', [postHead(te), `${chunked(json)}0\r\nX-T: a\0b\r\n\r\n`], [400]],
  ['trailers without end', [postHead(te), `${chunked(json)}0\r\nX-T: ${'a'.repeat(100_000)}\r\n\r\n`], [431]],
  [
    'chunk extensions and trailers',
    [
      postHead(te),
      `5;a=1;b="q"\r\n${json.slice(0, 5)}\r\n${chunked(json.slice(5))}0\r\nContent-Type: text/plain\r\n\r\n`,
    ],
    [202],
  ],
  ['one byte a chunk', [postHead(te), `${chunked(...json.split(''))}0\r\n\r\n`], [202]],
  ['chunks without bytes', [postHead(te), '0\r\n\r\n'], [400]],
  ['an unasked body of a GET', [get('/livez', 'Content-Length: 5\r\n'), `hello${get('/livez')}`], [200, 200]],
  ['an unread body, then more', [post('abc').replace('/json', '/text'), get('/livez')], [415, 200]],
]

const tooLarge: readonly Line[] = [
  ['10,000 headers', [get('/livez', many(10_000, 'X-A: b\r\n'))], [431]],
  ['10,000 headers of two bytes', [get('/livez', many(10_000, 'a:\r\n'))], [431]],
  ['a header of 1 MiB', [get('/livez', `X-A: ${'a'.repeat(1 << 20)}\r\n`)], [431]],
  ['a header name of 1 MiB', [get('/livez', `${'a'.repeat(1 << 20)}: b\r\n`)], [431]],
  ['a target of 1 MiB', [get(`/livez?for=${'a'.repeat(1 << 20)}`)], [431]],
  ['a method of 1 MiB', [`${'A'.repeat(1 << 20)} /livez HTTP/1.1\r\n\r\n`], [400]],
]

const targets: readonly Line[] = [
  ['a long target', [get(`/v1/notifications?tag=${'a'.repeat(15_000)}`)], [400]],
  ['a target in absolute form', [get('http://elsewhere.example/livez')], [200]],
  ['a target of another scheme', [get('ftp://x/livez')], [400]],
  ['a target without slash', [get('livez')], [400]],
  ['no percent code', [get('/v1/notifications/%zz')], [400]],
  ['percent-encoded bytes that are no UTF-8', [get('/v1/notifications/%ff%fe')], [400]],
  ['the same in a query', [get('/v1/notifications?tag=%ff%fe')], [400]],
  ['the same where nothing is', [get('/%ff/%zz')], [404]],
  ['bytes that are no UTF-8 in the path', [get('/v1/notifications/\xff\xfe')], [400]],
  ['bytes that are no UTF-8 in the query', [get('/v1/notifications?tag=\xff')], [400]],
  ['a way out of the folder', [get('/docs/../../../etc/passwd')], [404]],
  ['an encoded way out', [get('/docs/%2e%2e%2f%2e%2e%2fetc%2fpasswd')], [404]],
  ['backslashes', [get('/docs\\..\\x')], [400]],
  ['two slashes', [get('//livez')], [404]],
  ['an encoded route', [get('/%6civez')], [200]],
  ['an asterisk', ['OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n'], [400]],
  ['no host', ['GET /livez HTTP/1.1\r\n\r\n'], [400]],
  ['two hosts', [get('/livez', 'Host: y\r\n')], [400]],
  ['a host that is none', ['GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n'], [400]],
  ['a host with a path', ['GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n'], [400]],
  ['a host with a password', ['GET /livez HTTP/1.1\r\nHost: a:b@c\r\n\r\n'], [400]],
  ['a port beyond 65,535', ['GET /livez HTTP/1.1\r\nHost: a:99999\r\n\r\n'], [400]],
  ['an address as host', ['GET /livez HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n'], [200]],
]

const versions: readonly Line[] = [
  ['HTTP/1.0', ['GET /readyz HTTP/1.0\r\n\r\n'], [200]],
  ['HTTP/1.0 with a host', ['GET /livez HTTP/1.0\r\nHost: x\r\n\r\n'], [200]],
  ['HTTP/1.0 with a body', [post(json).replace('HTTP/1.1', 'HTTP/1.0')], [202]],
  ['HTTP/0.9', ['GET /livez\r\n\r\n'], [400]],
  ['HTTP/1.2', ['GET /livez HTTP/1.2\r\nHost: x\r\n\r\n'], [400]],
  ['HTTP/2', ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], [400]],
  ['an upgrade to HTTP/2', [get('/livez', 'Connection: Upgrade\r\nUpgrade: h2c\r\n')], [200]],
  ['an upgrade of a POST', [post(json, 'Connection: Upgrade\r\nUpgrade: websocket\r\n')], [202]],
  ['a TLS greeting', [Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])], [400]],
  ['any bytes', [Uint8Array.from({ length: 300 }, (_, at) => (at * 7) % 256)], [400]],
  ['empty lines first', [`\r\n\r\n${get('/livez')}`], [200]],
  ['OPTIONS', ['OPTIONS /v1/notifications HTTP/1.1\r\nHost: x\r\n\r\n'], [405]],
  ['TRACE', ['TRACE /livez HTTP/1.1\r\nHost: x\r\nX-API-Key: secret\r\n\r\n'], [405]],
  ['TRACE with a body', [post(json).replace('POST', 'TRACE')], [405]],
  ['CONNECT', ['CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n'], []],
  ['a method in lower case', ['get /livez HTTP/1.1\r\nHost: x\r\n\r\n'], [400]],
  ['a method nobody knows', ['BREW /livez HTTP/1.1\r\nHost: x\r\n\r\n'], [400]],
  ['another expectation', [post(json, 'Expect: 200-ok\r\n')], [417]],
  [
    '100-continue for what is refused',
    [postHead(`Expect: 100-continue\r\n${length}`).replace('/json', '/xml')],
    [100, 415],
  ],
  ['an idempotency key that is not ASCII', [post(json, 'Idempotency-Key: \xe9\r\n')], [400]],
  ['names of the prototype as headers', [get('/livez', '__proto__: a\r\nconstructor: b\r\n')], [200]],
  ['a request id that is not ASCII', [get('/livez', 'X-Request-ID: a\xffb\r\n')], [200]],
]

const zipped = gzipSync(json)
const bodies: readonly Line[] = [
  ['gzip', [postHead(`Content-Encoding: gzip\r\nContent-Length: ${zipped.length}\r\n`), zipped], [415]],
  ['deflate', [postHead(`Content-Encoding: deflate\r\n${length}`), json], [415]],
  ['gzip, undeclared', [postHead(`Content-Length: ${zipped.length}\r\n`), zipped], [400]],
  [
    'gzip as transfer coding',
    [postHead('Transfer-Encoding: gzip, chunked\r\n'), chunked(zipped.toString('latin1')), '0\r\n\r\n'],
    [400],
  ],
  ['two content types', [post(json, 'Content-Type: text/plain\r\n')], [415]],
  ['bytes that are no UTF-8', [post('').replace('Length: 0', 'Length: 15'), '{"content":"\xff', '"}'], [400]],
  ['a longer form of a slash', [post('').replace('Length: 0', 'Length: 16'), '{"content":"\xc0\xaf', '"}'], [400]],
]

describe('raw requests', () => {
  it.each([...framing, ...tooLarge, ...targets, ...versions, ...bodies])(
    '%s: answered by contract or closed, never half accepted',
    async (_what, bytes, statuses) => {
      const { open, accepted, sockets } = await serve()
      const client = open()
      client.send(...bytes)
      await client.answers(statuses.length)
      const answers = await client.rest()
      expect(answers.map(({ status }) => status)).toEqual(statuses)
      checkAnswers(answers, accepted)
      expect(sockets.bytesRead).toBeLessThan(256 * 1024) // what is refused is not read to its end
    },
  )

  it('HEAD answers the head alone, and the next answer follows it', async () => {
    const { open } = await serve()
    const client = open()
    client.send(get('/livez').replace('GET', 'HEAD'), get('/nothing').replace('GET', 'HEAD'), get('/livez'))
    const answers = await client.answers(3, [0, 1])
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [200, ''],
      [404, ''],
      [200, '{"status":"ok"}'],
    ])
  })

  it('tells a client that waits with its body to continue, and accepts once', async () => {
    const { open, accepted } = await serve()
    const client = open()
    client.send(postHead(`Expect: 100-continue\r\n${length}`))
    expect((await client.answers(1))[0]?.status).toBe(100)
    expect(accepted).toEqual([])
    client.send(json)
    expect((await client.answers(2))[1]?.status).toBe(202)
    expect(accepted).toHaveLength(1)
  })

  it('answers a client that has closed its side after the last byte', async () => {
    const { open, accepted } = await serve()
    const client = open()
    client.send(post(json))
    expect((await client.rest()).map(({ status }) => status)).toEqual([202])
    expect(accepted).toHaveLength(1)
  })

  it('reads a request that comes byte by byte', async () => {
    const { open } = await serve()
    const client = open()
    client.socket.setNoDelay(true)
    for (const byte of post(json)) client.send(byte)
    expect((await client.answers(1))[0]?.status).toBe(202)
  })

  it('one connection can serve 100 requests and holds no more listeners than after the first', async () => {
    const { open, sockets } = await serve()
    const client = open()
    client.send(post(json))
    await client.answers(1)
    const before = sockets.listenerCount
    for (let count = 2; count <= 100; count++) {
      client.send(count % 2 === 0 ? get('/nothing') : post('{'))
      await eventually(() => client.text.split('HTTP/1.1 ').length > count, { everyMs: 1 })
    }
    expect(sockets.listenerCount).toBe(before)
  })
})

/** Accepts only when told. */
function slowAccept() {
  const begun: (() => void)[] = []
  const accepted: AcceptRequest[] = []
  const accept = async (request: AcceptRequest) => {
    accepted.push(request)
    await new Promise<void>((resolve) => {
      begun.push(resolve)
    })
    const stored = request.items.map(() => ({ notification: notification(), duplicate: false }))
    return { batchId: request.kind === 'batch' ? batchId : null, notifications: stored }
  }
  return { accept, accepted, begun }
}

describe('pipelined requests', () => {
  it('are answered in their order, whichever is done first', async () => {
    const { accept, begun } = slowAccept()
    const { open } = await serve({ deps: { accept } })
    const client = open()
    client.send(post(json) + get('/livez') + post(json) + get('/nothing'))
    await eventually(() => begun.length === 2)
    begun[1]?.()
    expect(client.text).toBe('')
    begun[0]?.()
    expect((await client.answers(4)).map(({ status }) => status)).toEqual([202, 200, 202, 404])
  })

  it('are answered before garbage that follows them is refused', async () => {
    const { accept, begun } = slowAccept()
    const { open } = await serve({ deps: { accept } })
    const client = open()
    client.send(`${post(json)}${post(json)}NONSENSE\r\n\r\n`)
    await eventually(() => begun.length === 2)
    client.send('more nonsense\r\n\r\n')
    begun[1]?.()
    begun[0]?.()
    await client.untilClosed()
    expect((await client.answers(3)).map(({ status }) => status)).toEqual([202, 202, 400])
  })

  it('are answered before the one whose body breaks is refused', async () => {
    const { accept, accepted, begun } = slowAccept()
    const { open } = await serve({ deps: { accept } })
    const client = open()
    client.send(`${post(json)}${postHead(te)}5\r\n{"cha\r\nnonsense\r\n`)
    await eventually(() => begun.length === 1)
    begun[0]?.()
    await client.untilClosed()
    expect((await client.answers(2)).map(({ status }) => status)).toEqual([202, 400])
    expect(accepted).toHaveLength(1)
  })

  it('beyond 64 at once are a 503 with Retry-After, and were not accepted', async () => {
    const { accept, accepted, begun } = slowAccept()
    const { open } = await serve({ deps: { accept } })
    const client = open()
    client.send(many(200, post(json)))
    await eventually(() => begun.length === 64)
    begun.forEach((end) => end())
    const answers = await client.answers(200)
    const refused = answers.filter(({ status }) => status === 503)
    expect(accepted).toHaveLength(64)
    expect(refused).toHaveLength(136)
    expect(refused.every(({ headers }) => headers['retry-after'] === '1')).toBe(true)
    checkAnswers(answers, accepted)
    client.send(post(json)) // the connection is as good as before
    await eventually(() => begun.length === 65)
    begun[64]?.()
    expect((await client.answers(201)).at(-1)?.status).toBe(202)
  })

  it('are all answered when the server stops meanwhile, and only the last answer closes', async () => {
    const { accept, begun } = slowAccept()
    const { open, server } = await serve({ deps: { accept } })
    const client = open()
    client.send(post(json) + post(json))
    await eventually(() => begun.length === 2)
    server.beginStop()
    client.send(post(json))
    await eventually(() => begun.length === 3)
    begun.forEach((end) => end())
    await client.untilClosed()
    const answers = await client.answers(3)
    expect(answers.map(({ status, headers }) => [status, headers['connection'] === 'close'])).toEqual([
      [202, false],
      [202, false],
      [202, true],
    ])
  })
})

const hasty = { headersMs: 150, requestMs: 300, keepAliveMs: 150, stalledMs: 500, checkEveryMs: 30 }

describe('slow connections', () => {
  it.each([
    ['nothing', ''],
    ['half a request line', 'GET /li'],
    ['headers without end', 'GET /livez HTTP/1.1\r\nHost: x\r\n'],
    ['a body without end', postHead(length) + json.slice(0, 10)],
    ['a chunked body without end', postHead(te) + chunked(json)],
    ['a batch without end', postHead(te, '/v1/notifications/batch') + chunked(batch)],
  ])('that send %s are cut, by a 408 at most', async (_what, bytes) => {
    const { open, accepted } = await serve({}, { timeouts: hasty })
    const client = open()
    client.send(bytes)
    await client.untilClosed()
    const answers = await client.rest()
    expect(answers.map(({ status }) => status)).toEqual(answers.length === 0 ? [] : [408])
    checkAnswers(answers, accepted)
  })

  it.each([
    ['headers', get('/livez').slice(0, -2), 'X-A: b\r\n'],
    ['a body', postHead(length), ' '],
  ])('that drip %s are cut although they never pause', async (_what, start, drip) => {
    const { open, accepted } = await serve({}, { timeouts: hasty })
    const client = open()
    client.send(start)
    await eventually(
      () => {
        if (!client.closed) client.send(drip)
        return client.closed
      },
      { everyMs: 20 },
    )
    expect((await client.rest()).map(({ status }) => status)).toEqual([408])
    expect(accepted).toEqual([])
  })

  it('that idle between two requests are closed', async () => {
    const { open } = await serve({}, { timeouts: hasty })
    const client = open()
    client.send(get('/livez'))
    await client.untilClosed()
    expect((await client.rest()).map(({ status }) => status)).toEqual([200])
  })

  it('that never read their answers are cut', async () => {
    const body = 'x'.repeat(1_000_000)
    const metricsText = async () => ({ contentType: 'text/plain', body })
    const timeouts = { ...hasty, keepAliveMs: 60_000 }
    const { open, sockets } = await serve({ deps: { metricsText } }, { timeouts })
    const client = open()
    client.socket.pause()
    client.send(many(20, get('/metrics'))) // 20 MB: more than the system takes from us
    await eventually(() => sockets.open.length === 1)
    await eventually(() => sockets.open.length === 0)
    client.socket.destroy()
  })

  it('that wait for a slow answer are not cut', async () => {
    const { accept, begun } = slowAccept()
    const { open } = await serve({ deps: { accept } }, { timeouts: { ...hasty, stalledMs: 5_000 } })
    const client = open()
    client.send(post(json))
    await eventually(() => begun.length === 1)
    const other = open()
    other.send('GET /li')
    await other.untilClosed() // by now all the shorter times are over
    begun[0]?.()
    expect((await client.answers(1))[0]?.status).toBe(202)
  })
})

describe('aborted uploads', () => {
  const cut = (text: string) => text.slice(0, text.length / 2)
  const uploads: readonly (readonly [string, string])[] = [
    ['a notification', postHead(length) + cut(json)],
    ['a notification but for its last byte', postHead(length) + json.slice(0, -1)],
    ['a whole notification of which more was declared', postHead(`Content-Length: ${size + 1}\r\n`) + json],
    ['a chunked notification without its last chunk', postHead(te) + chunked(json)],
    ['a chunked notification without its last line', `${postHead(te)}${chunked(json)}0\r\n`],
    ['a batch', cut(post(batch, '', '/v1/notifications/batch'))],
    ['a batch but for its last byte', post(batch, '', '/v1/notifications/batch').slice(0, -1)],
    ['a chunked batch without its last chunk', postHead(te, '/v1/notifications/batch') + chunked(batch)],
    ['a chunked batch inside a chunk', postHead(te, '/v1/notifications/batch') + cut(chunked(batch))],
  ]
  const ends: readonly (readonly [string, (client: ReturnType<Served['open']>) => void])[] = [
    ['FIN', (client) => client.socket.end()],
    ['a reset', (client) => client.socket.resetAndDestroy()],
  ]

  it.each(uploads.flatMap(([what, bytes]) => ends.map(([how, end]) => [what, how, bytes, end] as const)))(
    '%s, ended by %s, is not accepted in part',
    async (_what, _how, bytes, end) => {
      const one = await serve()
      const client = one.open()
      client.send(bytes)
      await eventually(() => one.sockets.bytesRead === Buffer.byteLength(bytes), { everyMs: 5 })
      end(client)
      await eventually(() => one.sockets.open.length === 0, { everyMs: 5 })
      expect(one.accepted).toEqual([])
      expect(one.requests.every(({ status }) => status === 400)).toBe(true)
    },
  )

  it('give back the memory they were counted for', async () => {
    const { open, accepted, sockets } = await serve({ settings: { bodyBudgetBytes: 1_500_000 } })
    const upload = post(batch, '', '/v1/notifications/batch')
    for (let round = 0; round < 5; round++) {
      const clients = Array.from({ length: 4 }, () => open())
      clients.forEach((client) => client.send(upload.slice(0, -10)))
      const bytes = sockets.bytesRead
      await eventually(() => sockets.bytesRead >= bytes + 4 * 100_000)
      clients.forEach((client) => client.socket.resetAndDestroy())
      await eventually(() => sockets.open.length === 0)
    }
    const client = open()
    client.send(upload)
    expect((await client.answers(1))[0]?.status).toBe(202)
    expect(accepted).toHaveLength(1)
  })

  it('a sender that goes on after its 413 is cut', async () => {
    const { open } = await serve()
    const client = open()
    client.send(postHead(te))
    const chunk = chunked(' '.repeat(60_000))
    await eventually(
      () => {
        if (!client.closed && client.socket.writableLength < 1_000_000) client.send(many(10, chunk))
        return client.closed
      },
      { everyMs: 1 },
    )
    expect(client.text).toMatch(/^HTTP\/1.1 413 /)
  })
})
