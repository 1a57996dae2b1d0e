import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { SimulatedAnswer, SimulatedProvider, SimulatedRequest } from './simulated-http.ts'

/**
 * What may go wrong after a request was read whole: no answer at all, the connection reset before one, or reset in the
 * middle of the answer's body.
 */
export type Trouble = 'hang' | 'reset' | 'cut_body'

interface Script {
  readonly provider: string
  readonly to: string | null
  readonly act: SimulatedAnswer | Trouble
  left: number
}

interface Received {
  readonly provider: string
  readonly request: SimulatedRequest
}

const bodyBytesMax = 1_048_576

/** One HTTP server on loopback that plays every provider it was given, told apart by the `Host` header. */
export class SimulatorServer {
  readonly #providers: readonly SimulatedProvider[]
  readonly #now: () => Date
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #received: Received[] = []
  readonly #misdirected: SimulatedRequest[] = []
  #scripts: Script[] = []

  private constructor(providers: readonly SimulatedProvider[], now: () => Date) {
    this.#providers = providers
    this.#now = now
    this.#server = createServer((incoming, response) => void this.#serve(incoming, response))
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
    })
  }

  /** @param now the provider's clock: for windows, reset times and the age of tokens. */
  static async start(
    providers: readonly SimulatedProvider[],
    now: () => Date = () => new Date(),
  ): Promise<SimulatorServer> {
    const simulator = new SimulatorServer(providers, now)
    simulator.#server.listen(0, '127.0.0.1')
    await once(simulator.#server, 'listening')
    return simulator
  }

  /** `http://127.0.0.1:<port>` */
  get origin(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the simulator is not listening')
    return `http://127.0.0.1:${address.port}`
  }

  /** What came in for one provider, in order, scripted answers included. */
  received(provider: string): readonly SimulatedRequest[] {
    return this.#received.filter((one) => one.provider === provider).map(({ request }) => request)
  }

  /** Requests for a host that nobody plays. */
  get misdirected(): readonly SimulatedRequest[] {
    return this.#misdirected
  }

  /** The next `times` requests (for `to` only, when given) are not judged but answered so. */
  next(
    provider: string,
    act: SimulatedAnswer | Trouble,
    { to = null, times = 1 }: { readonly to?: string | null; readonly times?: number } = {},
  ): void {
    this.#scripts.push({ provider, to, act, left: times })
  }

  /** Cuts what is open. */
  async stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const request = await readRequest(incoming)
      const provider = this.#providers.find(({ hosts }) => hosts.includes(request.host))
      if (provider === undefined) {
        this.#misdirected.push(request)
        return send(response, { status: 421, body: `nobody plays ${request.host}` })
      }
      this.#received.push({ provider: provider.name, request })
      const act = this.#scripted(provider, request) ?? (await provider.answer(request, this.#now()))
      perform(response, act)
    } catch (error) {
      // A fault of the simulator must not look like one of the provider.
      if (!response.destroyed) send(response, { status: 599, body: `the simulator failed: ${String(error)}` })
    }
  }

  #scripted(provider: SimulatedProvider, request: SimulatedRequest): SimulatedAnswer | Trouble | null {
    const to = provider.recipientOf(request)
    const script = this.#scripts.find((one) => one.provider === provider.name && (one.to === null || one.to === to))
    if (script === undefined) return null
    script.left -= 1
    if (script.left <= 0) this.#scripts = this.#scripts.filter((one) => one !== script)
    return script.act
  }
}

async function readRequest(incoming: IncomingMessage): Promise<SimulatedRequest> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming) {
    if (!(chunk instanceof Buffer)) continue
    chunks.push(chunk)
    size += chunk.length
    if (size > bodyBytesMax) throw new Error(`the request has more than ${bodyBytesMax} bytes`)
  }
  const [path = '', search = ''] = (incoming.url ?? '').split(/\?(.*)/s)
  return {
    method: incoming.method ?? '',
    host: (incoming.headers.host ?? '').replace(/:\d+$/, '').toLowerCase(),
    path,
    query: new URLSearchParams(search),
    headers: incoming.headers,
    body: Buffer.concat(chunks).toString('utf8'),
  }
}

function perform(response: ServerResponse, act: SimulatedAnswer | Trouble): void {
  switch (act) {
    case 'hang':
      return
    case 'reset':
      response.socket?.resetAndDestroy()
      return
    case 'cut_body':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
      response.write('{"cut":', () => response.socket?.resetAndDestroy())
      return
    default:
      send(response, act)
  }
}

function send(response: ServerResponse, { status, headers = {}, body }: SimulatedAnswer): void {
  response.writeHead(status, { ...headers })
  response.end(body)
}
