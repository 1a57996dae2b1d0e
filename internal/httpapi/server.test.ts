import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { Hono } from 'hono'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../lifecycle/system-clock.ts'
import { RecordingTelemetry } from '../testkit/telemetry.ts'
import { type LogLine, memoryLogger, plain, setup } from './app.suite.ts'
import { Readiness } from './health.ts'
import { HttpServer, type HttpServerDeps } from './server.ts'

const running: HttpServer[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
})

async function serve(
  app: HttpServerDeps['app'],
  settings: { port?: number; lingerMs?: number; drainMs?: number; connectionsMax?: number } = {},
) {
  const lines: LogLine[] = []
  const readiness = new Readiness()
  const telemetry = new RecordingTelemetry()
  const deps = { app, readiness, logger: memoryLogger(lines), clock: systemClock, telemetry }
  const server = new HttpServer(deps, { host: '127.0.0.1', port: 0, ...settings })
  running.push(server)
  await server.start()
  return { server, readiness, lines, telemetry, url: `http://127.0.0.1:${server.port}` }
}

/** An app whose requests to /slow end when told. */
function slowApp() {
  const begun: (() => void)[] = []
  const app = new Hono()
  app.get('/slow', async (c) => {
    await new Promise<void>((resolve) => {
      begun.push(resolve)
    })
    return c.text('done')
  })
  app.get('/fast', (c) => c.text('fast'))
  return { app, begun }
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.once('connect', resolve))
  return socket
}

async function raw(port: number, request: string): Promise<string> {
  const socket = await open(port)
  socket.end(request)
  return text(socket)
}

describe('HttpServer', () => {
  it('serves the app on the port it bound', async () => {
    const { app } = setup()
    const { url } = await serve(app)
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(plain) }
    const response = await fetch(`${url}/v1/notifications`, init)
    expect([response.status, response.headers.get('x-request-id')]).toEqual([202, 'made-id'])
  })

  it('names API_PORT and a way out when the port is taken', async () => {
    const { server } = await serve(slowApp().app)
    await expect(serve(slowApp().app, { port: server.port })).rejects.toThrow(
      `API_PORT=${server.port} on 127.0.0.1: the port is already in use; stop the other program, or set API_PORT to a free port`,
    )
  })

  it('lets the request under way end, closes idle connections and refuses new ones', async () => {
    const { app, begun } = slowApp()
    const { server, readiness, url } = await serve(app)
    const idle = await open(server.port)
    const idleClosed = new Promise((resolve) => idle.once('close', resolve))
    idle.write('GET /fast HTTP/1.1\r\nHost: x\r\n\r\n')
    await new Promise((resolve) => idle.once('data', resolve))
    const answer = fetch(`${url}/slow`)
    await vi.waitFor(() => expect(begun).toHaveLength(1))
    const { port } = server
    const stopped = server.stop().then(() => 'stopped')
    expect(readiness.stopping).toBe(true)
    await idleClosed
    await expect(fetch(`http://127.0.0.1:${port}/fast`)).rejects.toThrow('fetch failed')
    expect(await Promise.race([stopped, Promise.resolve('waiting')])).toBe('waiting')
    begun[0]?.()
    const response = await answer
    expect([response.headers.get('connection'), await response.text()]).toEqual(['close', 'done'])
    await stopped
  })

  it('answers the first request of connections that were opened just before the stop', async () => {
    const { server } = await serve(slowApp().app, { lingerMs: 10_000 })
    const sockets = await Promise.all(Array.from({ length: 20 }, () => open(server.port)))
    const stopped = server.stop()
    await vi.waitFor(() => expect(server.port).toBe(0)) // nobody listens any more
    const answers = sockets.map((socket) => {
      socket.write('GET /fast HTTP/1.1\r\nHost: x\r\n\r\n')
      return text(socket)
    })
    for (const answer of await Promise.all(answers)) {
      expect(answer).toMatch(/^HTTP\/1.1 200 OK\r$/m)
      expect(answer).toMatch(/^Connection: close\r$/m)
    }
    await stopped
  })

  it('ends connections that stay silent at a stop', async () => {
    const { server } = await serve(slowApp().app, { lingerMs: 20, drainMs: 60_000 })
    const silent = await open(server.port)
    const ended = text(silent.resume())
    await server.stop()
    expect(await ended).toBe('')
  })

  it('cuts what does not end in time', async () => {
    const { app, begun } = slowApp()
    const { server, lines, url } = await serve(app, { drainMs: 50 })
    const answer = fetch(`${url}/slow`).then(
      () => 'answered',
      () => 'cut',
    )
    await vi.waitFor(() => expect(begun).toHaveLength(1))
    await server.stop()
    expect(await answer).toBe('cut')
    expect(lines.at(-1)).toMatchObject({ level: 'warn', fields: { count: 1 } })
  })

  it('between unready and closed still answers, and asks clients to leave', async () => {
    const { server, readiness, url } = await serve(slowApp().app)
    server.beginStop()
    expect(readiness.stopping).toBe(true)
    const response = await fetch(`${url}/fast`)
    expect([response.status, response.headers.get('connection')]).toEqual([200, 'close'])
  })

  it('answers 503 on connections past the bound, closes them, and serves again when there is room', async () => {
    const { server, url, telemetry } = await serve(slowApp().app, { connectionsMax: 1 })
    const held = await open(server.port)
    held.write('GET /fast HTTP/1.1\r\nHost: x\r\n\r\n')
    await new Promise((resolve) => held.once('data', resolve))
    const answer = await raw(server.port, 'GET /fast HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1.1 503 /)
    expect(answer).toMatch(/^Retry-After: 1\r$/m)
    expect(answer).toMatch(/^Connection: close\r$/m)
    expect(telemetry.calls.refused).toEqual([['http_connections', 1]])
    held.destroy()
    await vi.waitFor(async () => expect((await fetch(`${url}/fast`)).status).toBe(200))
    expect(telemetry.calls.bound).toContainEqual(['http_connections', { inUse: 1, limit: 1 }])
  })

  it('can be stopped twice, and before start', async () => {
    const { server } = await serve(slowApp().app)
    await Promise.all([server.stop(), server.stop()])
    const telemetry = new RecordingTelemetry()
    const deps = {
      app: slowApp().app,
      readiness: new Readiness(),
      logger: memoryLogger([]),
      clock: systemClock,
      telemetry,
    }
    await new HttpServer(deps, { host: '127.0.0.1', port: 0 }).stop()
  })

  it.each([
    ['a request line nobody understands', 'NONSENSE\r\n\r\n', 400],
    ['too many header bytes', `GET /fast HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['a host that is no host', 'GET /fast HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', 400],
    ['two lengths', 'POST /fast HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ])('answers %s with a problem and lives on', async (_what, request, status) => {
    const { server, url } = await serve(slowApp().app)
    const answer = await raw(server.port, request)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer).toContain('"code":"invalid_request"')
    expect((await fetch(`${url}/fast`)).status).toBe(200)
  })

  it('answers 413 to a chunked body above the limit without reading all of it', async () => {
    const { app } = setup()
    const { url } = await serve(app)
    let sentBytes = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sentBytes += 65_536
        controller.enqueue(new Uint8Array(65_536).fill(0x20))
        if (sentBytes >= 2 * 1024 * 1024) controller.close()
      },
    })
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body, duplex: 'half' as const }
    const response = await fetch(`${url}/v1/notifications`, init)
    expect(response.status).toBe(413)
    expect((await fetch(`${url}/livez`)).status).toBe(200)
  })

  it('reads a large batch in chunks', async () => {
    const { app, accepted } = setup()
    const { url } = await serve(app)
    const item = { channel: 'EMAIL', recipient: 'a@b.c', content: 'x'.repeat(8_000) }
    const body = JSON.stringify({ notifications: Array.from({ length: 1_000 }, () => item) })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${url}/v1/notifications/batch`, { method: 'POST', headers, body })
    expect(response.status).toBe(202)
    await response.arrayBuffer()
    expect(accepted[0]?.items).toHaveLength(1_000)
  })
})
