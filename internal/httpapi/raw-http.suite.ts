import { connect, type Socket } from 'node:net'
import { systemClock } from '../lifecycle/system-clock.ts'
import { eventually } from '../testkit/eventually.ts'
import { ServerSockets } from '../testkit/server-sockets.ts'
import { RecordingTelemetry } from '../testkit/telemetry.ts'
import { type LogLine, memoryLogger, plain, setup, type World } from './app.suite.ts'
import { HttpServer, type HttpServerSettings } from './server.ts'

/** The real server and app over tiny fakes, and a client that sends whatever bytes a test wants. */

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** @param bodyless indexes of the answers to HEAD requests. */
export function parseAnswers(text: string, bodyless: readonly number[] = []): readonly Answer[] {
  const answers: Answer[] = []
  let rest = text
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n')
    const [first = '', ...lines] = rest.slice(0, Math.max(end, 0)).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1])
    if (end === -1 || Number.isNaN(status)) throw new Error(`not an answer: ${JSON.stringify(rest.slice(0, 200))}`)
    const headers = Object.fromEntries(
      lines.map((line) => {
        const [name = '', ...value] = line.split(':')
        return [name.toLowerCase(), value.join(':').trim()]
      }),
    )
    const hasBody = status >= 200 && !bodyless.includes(answers.length)
    if (hasBody && headers['content-length'] === undefined) throw new Error(`an answer without length: ${first}`)
    const length = hasBody ? Number(headers['content-length']) : 0
    const body = rest.slice(end + 4, end + 4 + length)
    if (body.length < length) throw new Error(`an answer cut after ${body.length} of ${length} bytes`)
    answers.push({ status, headers, body })
    rest = rest.slice(end + 4 + length)
  }
  return answers
}

export class RawClient {
  readonly socket: Socket
  #text = ''
  #closed = false

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.on('error', () => undefined) // resets are answers too, and seen as `closed`
    this.socket.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('latin1')
    })
    this.socket.on('end', () => this.socket.end())
    this.socket.on('close', () => {
      this.#closed = true
    })
  }

  /** What has arrived: one char per byte. */
  get text(): string {
    return this.#text
  }

  get closed(): boolean {
    return this.#closed
  }

  send(...parts: readonly (string | Uint8Array)[]): void {
    for (const part of parts) this.socket.write(typeof part === 'string' ? Buffer.from(part, 'latin1') : part)
  }

  /** Waits until the server closes; no answer to come is lost. */
  async untilClosed(withinMs = 5_000): Promise<void> {
    await eventually(() => this.#closed, { withinMs, everyMs: 5 })
  }

  /** Waits for `count` whole answers. */
  async answers(count: number, bodyless: readonly number[] = []): Promise<readonly Answer[]> {
    const complete = () => {
      const answers = parseAnswers(this.#text, bodyless)
      if (answers.length < count) throw new Error(`${answers.length} of ${count} answers have come`)
      return answers
    }
    return eventually(complete, { everyMs: 5 })
  }

  /** Sends FIN and gives everything that still comes. */
  async rest(bodyless: readonly number[] = []): Promise<readonly Answer[]> {
    this.socket.end()
    await this.untilClosed()
    return parseAnswers(this.#text, bodyless)
  }
}

export async function serveRaw(world: World = {}, settings: Partial<HttpServerSettings> = {}) {
  const made = setup(world)
  const lines: LogLine[] = []
  const telemetry = new RecordingTelemetry()
  const deps = { app: made.app, readiness: made.readiness, logger: memoryLogger(lines), clock: systemClock, telemetry }
  const server = new HttpServer(deps, { host: '127.0.0.1', port: 0, ...settings })
  await server.start()
  const sockets = new ServerSockets(server.port)
  const clients: RawClient[] = []

  function open(): RawClient {
    const client = new RawClient(server.port)
    clients.push(client)
    return client
  }

  /** The server still serves, and once the clients are gone nothing of them is left. */
  async function close(): Promise<void> {
    const last = open()
    last.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
    const [alive] = await last.rest()
    if (alive?.status !== 200) throw new Error(`the server answers ${alive?.status} to /livez`)
    for (const client of clients) client.socket.destroy()
    await eventually(() => sockets.open.length === 0, { everyMs: 2 })
    sockets.stop()
    await server.stop()
    const faults = lines.filter(({ level }) => level === 'error' || level === 'warn')
    if (faults.length > 0) throw new Error(`the server complained: ${JSON.stringify(faults)}`)
  }

  return { ...made, server, serverLines: lines, sockets, open, close }
}

export const json = JSON.stringify(plain)

export function get(path: string, headers = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`
}

/** The head of a POST without its framing, which `headers` must bring; each line ends with CRLF. */
export function postHead(headers: string, path = '/v1/notifications'): string {
  return `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}\r\n`
}

export function post(body: string, headers = '', path = '/v1/notifications'): string {
  return postHead(`Content-Length: ${Buffer.byteLength(body)}\r\n${headers}`, path) + body
}

export function chunked(...chunks: readonly string[]): string {
  return chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')
}
