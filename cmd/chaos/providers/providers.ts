import { once } from 'node:events'
import {
  Agent,
  createServer,
  type IncomingMessage,
  request as requestOf,
  type Server,
  type ServerResponse,
} from 'node:http'
import { messageOf } from '../../../internal/domain/errors.ts'
import { kindOf, type ProviderKind, type Told } from './kinds.ts'
import type { ConnectionName } from './plan.ts'

export interface ProvidersOptions {
  readonly sinkUrl: string
  /** A request that no provider could understand, or with a signature that is not right. */
  readonly onWrong: (text: string) => void
}

/** The client's own key, which stands in every content. */
const clientKey = /Chaos (k[0-9a-f]+-\d+)/
const json = { 'content-type': 'application/json' }

/**
 * Stands before the sink and speaks as the providers do: `/<connection>/…` is read as that provider reads it, handed to
 * the sink under `<connection>/<key>`, and the sink's answer is given in the provider's words. So one log holds every
 * delivery, and whatever the targets are told to do, these do too.
 */
export class Providers {
  readonly #options: ProvidersOptions
  readonly #server: Server
  readonly #agent = new Agent({ keepAlive: true })
  readonly #orders = new Map<string, { readonly script: string; met: number }>()
  /** That may have signed, the newest first. */
  #secrets: readonly string[]

  private constructor(options: ProvidersOptions, secret: string) {
    this.#options = options
    this.#secrets = [secret]
    // Longer than a client keeps an idle connection, as the sink does.
    this.#server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
      this.#serve(request, response).catch(() => response.destroy()) // the client left while it was sending
    })
  }

  /** @param secret that webhooks are signed with, those of a file for ever. */
  static async start(options: ProvidersOptions, secret: string): Promise<Providers> {
    const providers = new Providers(options, secret)
    providers.#server.listen({ host: '127.0.0.1', port: 0, backlog: 1_024 })
    await once(providers.#server, 'listening')
    return providers
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the providers do not listen')
    return `http://127.0.0.1:${address.port}`
  }

  /** Answers everything over this connection by this script until changed; null = as the sink is told. */
  behave(connection: ConnectionName, script: string | null): void {
    if (script === null) this.#orders.delete(connection)
    else this.#orders.set(connection, { script, met: 0 })
  }

  /** How many messages have met what {@link behave} says of this connection. */
  met(connection: ConnectionName): number {
    return this.#orders.get(connection)?.met ?? 0
  }

  /** Signatures with this secret are right too from now on. @returns those that were right before, the newest first. */
  trust(secret: string): readonly string[] {
    const before = this.#secrets
    this.#secrets = [secret, ...before]
    return before
  }

  /** Only signatures with the newest secret are right from now on, and with the first. */
  trustLastOnly(): void {
    this.#secrets = [...new Set([...this.#secrets.slice(0, 1), ...this.#secrets.slice(-1)])]
  }

  /** Hands one message to the sink. @param signal the sender has left. */
  deliver(connection: string, told: Told, signal: AbortSignal): Promise<IncomingMessage> {
    const { to, key } = told
    const order = this.#orders.get(connection)
    if (order !== undefined) order.met += 1
    const content = order === undefined ? told.content : `[sink ${order.script}] ${told.content}`
    const named = key ?? clientKey.exec(content)?.[1]
    if (named === undefined) this.#options.onWrong(`a delivery over ${connection} that is nobody's: ${content}`)
    const headers = { ...json, 'idempotency-key': `${connection}/${named ?? ''}` }
    return new Promise((resolve, reject) => {
      const call = requestOf(this.#options.sinkUrl, { method: 'POST', agent: this.#agent, headers, signal })
      call.on('response', resolve)
      call.on('error', reject)
      call.end(JSON.stringify({ to, content }))
    })
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
    this.#agent.destroy()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, connection = ''] = (request.url ?? '').split('/')
    const kind = kindOf(connection)
    const left = new AbortController()
    response.on('close', () => left.abort())
    const body = await readBody(request)
    const told = kind === null ? null : this.#read(kind, connection, body, request)
    if (kind === null || told === null) {
      response.writeHead(400, json).end('{"error":"not understood"}')
      return
    }
    try {
      await passOn(await this.deliver(connection, told, left.signal), kind, told, response)
    } catch {
      response.socket?.resetAndDestroy() // the sink was told to leave its sender in the dark
    }
  }

  #read(kind: ProviderKind, connection: string, body: string, { headers }: IncomingMessage): Told | null {
    try {
      return kind.read(body, headers, this.#secrets)
    } catch (error) {
      this.#options.onWrong(`${connection} could not read a delivery: ${messageOf(error)}`)
      return null
    }
  }
}

/** A success with the provider's status, a plain one in its words too; all else as the sink said it, byte for byte. */
async function passOn(answer: IncomingMessage, kind: ProviderKind, told: Told, response: ServerResponse) {
  const status = answer.statusCode ?? 500
  const type = answer.headers['content-type'] ?? 'text/plain'
  const acceptance = isTaken(status) ? kind.accept(told) : null
  if (acceptance !== null && type === json['content-type']) {
    answer.resume()
    response.writeHead(acceptance.status, { 'content-type': acceptance.type }).end(acceptance.body)
    return
  }
  const { 'retry-after': retryAfter, location } = answer.headers
  response.writeHead(acceptance?.status ?? status, {
    'content-type': type,
    ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
    ...(location !== undefined && { location }),
  })
  response.flushHeaders()
  for await (const chunk of answer) response.write(chunk)
  response.end()
}

function isTaken(status: number): boolean {
  return status >= 200 && status < 300
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) if (chunk instanceof Buffer) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
