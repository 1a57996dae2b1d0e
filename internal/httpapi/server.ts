import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import type { Component } from '../lifecycle/component.ts'
import type { Clock } from '../port/clock.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { ConnectionBound } from './connection-bound.ts'
import { type Readiness, within } from './health.ts'
import { listenError } from './listen-error.ts'
import { answerParserError, type HttpTimeouts, serverOptions, timeoutsDefault } from './parser-limits.ts'
import {
  connectionRefusal,
  expectationRefusal,
  hostOfOldClients,
  pipelineRefusal,
  refusalOfHost,
  refuse,
  refusedResponse,
  refuseLast,
} from './refusals.ts'

export interface HttpServerDeps {
  readonly app: { fetch(request: Request, env: object): Response | Promise<Response> }
  readonly readiness: Pick<Readiness, 'setStopping'>
  readonly logger: Logger
  readonly clock: Pick<Clock, 'timeout' | 'monotonicMs'>
  readonly telemetry: Pick<Telemetry, 'bound' | 'refused'>
}

export interface HttpServerSettings {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** How long a connection that was opened just before the stop may take to send its request. Default 300 ms. */
  readonly lingerMs?: number
  /** How long requests under way may take to end after that; then their connections are cut. Default 5 s. */
  readonly drainMs?: number
  /** Connections at once; more are answered 503 and closed. Default 10,000. */
  readonly connectionsMax?: number
  /** Requests under way at once on one connection; more are answered 503. Default 64. */
  readonly pipelinedMax?: number
  /** What is left out keeps its default. */
  readonly timeouts?: Partial<HttpTimeouts>
}

const lingerMsDefault = 300
const drainMsDefault = 5_000
const quietTurnsEnough = 3
const shortTurnMs = 0.1
const lastTurnsMax = 5_000
const connectionsMaxDefault = 10_000
const pipelinedMaxDefault = 64

/** The requests of one connection, which may come before the earlier ones are answered. */
interface Pipeline {
  underWay: number
  last: ServerResponse
}

/** The listening socket. Stops in this order: unready, no new connections, requests under way end, the rest is cut. */
export class HttpServer implements Component {
  readonly name = 'http'
  readonly #deps: HttpServerDeps
  readonly #settings: HttpServerSettings
  readonly #timeouts: HttpTimeouts
  readonly #server: Server
  readonly #underWay = new Set<ServerResponse>()
  readonly #pipelines = new WeakMap<Duplex, Pipeline>()
  readonly #refused = new WeakSet<Duplex>()
  /** Connections without a request so far: Node does not count them as idle. */
  readonly #silent = new Set<Socket>()
  #stopping = false
  #stopped: Promise<void> | null = null

  constructor(deps: HttpServerDeps, settings: HttpServerSettings) {
    this.#deps = deps
    this.#settings = settings
    this.#timeouts = { ...timeoutsDefault, ...settings.timeouts }
    const pipelinedMax = settings.pipelinedMax ?? pipelinedMaxDefault
    const listener = getRequestListener((request, env) => deps.app.fetch(request, env), {
      hostname: hostOfOldClients,
      errorHandler: (error) => this.#answerFailure(error),
    })
    this.#server = createServer(serverOptions(this.#timeouts), (incoming, outgoing) => {
      if (connections.isSurplus(incoming.socket)) return refuseLast(outgoing, connectionRefusal)
      const refusal = this.#watch(outgoing) > pipelinedMax ? pipelineRefusal : refusalOfHost(incoming)
      if (refusal !== null) return refuse(outgoing, refusal)
      // The listener answers its own errors; what escapes belongs to one connection and must not end the process.
      listener(incoming, outgoing).catch((error: unknown) => this.#abandon(incoming, error))
    })
    this.#server.timeout = this.#timeouts.stalledMs
    const connectionsMax = settings.connectionsMax ?? connectionsMaxDefault
    const connections = new ConnectionBound(this.#server, connectionsMax, deps.telemetry)
    this.#server.on('connection', (socket: Socket) => {
      this.#silent.add(socket)
      socket.once('close', () => this.#silent.delete(socket))
    })
    this.#server.on('checkExpectation', (_incoming, outgoing) => refuse(outgoing, expectationRefusal))
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#refuseRest(error, socket))
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
    for (const outgoing of this.#underWay) {
      if (this.#pipelines.get(outgoing.req.socket)?.last === outgoing) closeAfter(outgoing)
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.beginStop()
    if (!this.#server.listening) return
    await this.#acceptWaiting()
    const closed = new Promise<void>((resolve) => {
      // Not http's own close, which at once ends idle connections: one whose first request is still on its way counts
      // as idle, and its client would meet a reset.
      NetServer.prototype.close.call(this.#server, () => resolve())
    })
    if (await this.#ends(closed, this.#settings.lingerMs ?? lingerMsDefault)) return
    this.#server.close() // now the idle ones
    for (const socket of this.#silent) if (socket.bytesRead === 0) socket.destroy()
    if (await this.#ends(closed, this.#settings.drainMs ?? drainMsDefault)) return
    this.#deps.logger.warn('http requests were cut at stop', { count: this.#underWay.size })
    this.#server.closeAllConnections()
    await closed
  }

  /**
   * Takes up the connections that the system has completed and Node has not seen: it accepts one in each turn of its
   * loop, and closing the listening socket resets the others. One that is completed between Node's last look and the
   * close is lost all the same, so the last turn must have been a very short one.
   */
  async #acceptWaiting(): Promise<void> {
    const { clock } = this.#deps
    let quietTurns = 0
    const onConnection = () => void (quietTurns = 0)
    this.#server.on('connection', onConnection)
    // One quiet turn says nothing: it may have begun after the look at the sockets.
    for (let turn = 0; quietTurns < quietTurnsEnough && turn < lastTurnsMax; turn++) {
      quietTurns++
      const begunMs = clock.monotonicMs()
      await setImmediate()
      if (clock.monotonicMs() - begunMs > shortTurnMs) quietTurns = 0
    }
    this.#server.off('connection', onConnection)
  }

  async #ends(closed: Promise<void>, withinMs: number): Promise<boolean> {
    return within(this.#deps.clock, withinMs, () => closed).then(
      () => true,
      () => false,
    )
  }

  /** @returns how many requests are under way on the connection, this one included. */
  #watch(outgoing: ServerResponse): number {
    const { socket } = outgoing.req
    this.#silent.delete(socket)
    const pipeline = this.#pipelines.get(socket) ?? { underWay: 0, last: outgoing }
    this.#pipelines.set(socket, pipeline)
    pipeline.underWay++
    this.#underWay.add(outgoing)
    outgoing.once('close', () => {
      pipeline.underWay--
      this.#underWay.delete(outgoing)
    })
    if (this.#stopping) {
      // The answer that closes the connection must be its last one, or those behind it would never be sent.
      if (!pipeline.last.headersSent) pipeline.last.removeHeader('Connection')
      closeAfter(outgoing)
    }
    pipeline.last = outgoing
    return pipeline.underWay
  }

  /**
   * What the parser refuses ends its connection. Requests that came whole before it are answered first: on the bare
   * socket, the refusal would be taken for the answer to one of them.
   */
  #refuseRest(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (this.#refused.has(socket)) return // the parser complains again about every further chunk
    this.#refused.add(socket)
    const last = this.#pipelines.get(socket)?.last
    const isAnswered = last !== undefined && !last.req.complete && last.writableEnded
    const finish = () => {
      if (isAnswered) socket.end(() => socket.destroy())
      else answerParserError(error, socket, this.#timeouts)
    }
    let waitsFor = 0
    for (const outgoing of this.#underWay) {
      if (outgoing.req.socket !== socket || !(outgoing.req.complete || outgoing.writableEnded)) continue
      waitsFor++
      outgoing.once('close', () => {
        waitsFor--
        if (waitsFor === 0) finish()
      })
    }
    if (waitsFor === 0) finish()
  }

  #answerFailure(error: unknown): Response {
    const response = refusedResponse(error)
    if (response.status >= 500) {
      this.#deps.logger.error('http request failed outside the app', { errorName: nameOf(error) })
    }
    return response
  }

  #abandon(incoming: IncomingMessage, error: unknown): void {
    this.#deps.logger.error('http connection failed', { errorName: nameOf(error) })
    incoming.destroy()
  }
}

function closeAfter(outgoing: ServerResponse): void {
  if (!outgoing.headersSent) outgoing.setHeader('Connection', 'close')
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}
