import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import type { Component } from '../lifecycle/component.ts'
import type { Clock } from '../port/clock.ts'
import type { Logger } from '../port/telemetry.ts'
import { type Readiness, within } from './health.ts'

export interface HttpServerDeps {
  readonly app: { fetch(request: Request, env: object): Response | Promise<Response> }
  readonly readiness: Pick<Readiness, 'setStopping'>
  readonly logger: Logger
  readonly clock: Pick<Clock, 'timeout'>
}

export interface HttpServerSettings {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** How long requests under way may take to end at a stop; then their connections are cut. Default 5 s. */
  readonly drainMs?: number
  /** Connections at once; more are closed at once. Default 10,000. */
  readonly connectionsMax?: number
}

const drainMsDefault = 5_000
const connectionsMaxDefault = 10_000

/** Slow senders are cut; idle connections outlive those of usual load balancers (60 s), so the balancer closes first. */
const timeouts = {
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
}

/** The listening socket. Stops in this order: unready, no new connections, requests under way end, the rest is cut. */
export class HttpServer implements Component {
  readonly name = 'http'
  readonly #deps: HttpServerDeps
  readonly #settings: HttpServerSettings
  readonly #server: Server
  readonly #underWay = new Set<ServerResponse>()
  #stopping = false
  #stopped: Promise<void> | null = null

  constructor(deps: HttpServerDeps, settings: HttpServerSettings) {
    this.#deps = deps
    this.#settings = settings
    const listener = getRequestListener((request, env) => deps.app.fetch(request, env), { errorHandler: refuseRequest })
    this.#server = createServer(timeouts, (incoming, outgoing) => {
      this.#watch(outgoing)
      // The listener answers its own errors; what escapes belongs to one connection and must not end the process.
      listener(incoming, outgoing).catch((error: unknown) => this.#abandon(incoming, error))
    })
    this.#server.maxConnections = settings.connectionsMax ?? connectionsMaxDefault
    this.#server.on('clientError', answerClientError)
  }

  /** @throws Error that names API_PORT when the port cannot be had. */
  async start(): Promise<void> {
    const { host, port } = this.#settings
    await new Promise<void>((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException) => reject(listenError(error, host, port))
      this.#server.once('error', onError)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', onError)
        resolve()
      })
    })
    this.#server.on('error', (error: NodeJS.ErrnoException) => {
      this.#deps.logger.error('http server error', { code: error.code })
    })
    this.#deps.logger.info('http server listens', { host, port: this.port })
  }

  /** The port that is bound; 0 before start and after stop. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /**
   * Not ready from now on, and every answer closes its connection; new connections are still served, so that balancers
   * can look elsewhere before the socket closes. `stop` does the rest. Safe to call twice.
   */
  beginStop(): void {
    this.#stopping = true
    this.#deps.readiness.setStopping()
    for (const outgoing of this.#underWay) closeAfter(outgoing)
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.beginStop()
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeIdleConnections()
    try {
      await within(this.#deps.clock, this.#settings.drainMs ?? drainMsDefault, () => closed)
    } catch {
      this.#deps.logger.warn('http requests were cut at stop', { count: this.#underWay.size })
      this.#server.closeAllConnections()
      await closed
    }
  }

  #watch(outgoing: ServerResponse): void {
    this.#underWay.add(outgoing)
    outgoing.once('close', () => this.#underWay.delete(outgoing))
    if (this.#stopping) closeAfter(outgoing)
  }

  #abandon(incoming: IncomingMessage, error: unknown): void {
    this.#deps.logger.error('http connection failed', { errorName: error instanceof Error ? error.name : typeof error })
    incoming.destroy()
  }
}

function closeAfter(outgoing: ServerResponse): void {
  if (!outgoing.headersSent) outgoing.setHeader('Connection', 'close')
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const where = `API_PORT=${port} on ${host}`
  if (error.code === 'EADDRINUSE') {
    const advice = 'stop the other program, or set API_PORT to a free port'
    return new Error(`${where}: the port is already in use; ${advice}`, { cause: error })
  }
  if (error.code === 'EACCES') {
    const advice = 'ports below 1024 need special rights; set API_PORT to a higher one'
    return new Error(`${where}: the port may not be opened; ${advice}`, { cause: error })
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new Error(`${where}: APP_HOST is not an address of this machine; use 0.0.0.0 or 127.0.0.1`, { cause: error })
  }
  return new Error(`${where}: cannot listen (${error.code ?? error.name})`, { cause: error })
}

function problemText(status: number, code: string, title: string, detail: string): string {
  const type = `urn:dispatch-engine:problem:${code}`
  return JSON.stringify({ type, title, status, detail, code, error: detail })
}

/** Requests that never reach the app: a host or target that is not a valid URL. */
function refuseRequest(error: unknown): Response {
  const isRequest = error instanceof Error && error.name === 'RequestError'
  const body = isRequest
    ? problemText(400, 'invalid_request', 'The request is not valid', 'expected a valid Host header and request target')
    : problemText(500, 'internal', 'Internal error', 'something went wrong here')
  const headers = { 'content-type': 'application/problem+json; charset=utf-8' }
  return new Response(body, { status: isRequest ? 400 : 500, headers })
}

const clientErrors: Readonly<Record<string, readonly [status: number, reason: string, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'expected at most 16 KiB of headers, found more'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'expected the whole request within 15 s'],
}

/** What the parser refuses is answered on the bare socket, then closed. */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, reason, detail] = clientErrors[error.code ?? ''] ?? [400, 'Bad Request', 'expected HTTP/1.1']
  const body = problemText(status, 'invalid_request', reason, detail)
  const headers = [
    `HTTP/1.1 ${status} ${reason}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}
