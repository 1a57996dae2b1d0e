import { once } from 'node:events'
import type { Socket } from 'node:net'
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import type { Providers } from './providers.ts'

const connection = 'mail'
/** Of an answer of the sink: what was refused for now, for good, or for no reason of the mail. */
const words: readonly (readonly [statusMin: number, code: number, text: string])[] = [
  [500, 421, '4.3.2 try again later'],
  [429, 421, '4.3.2 too much at once'],
  [408, 421, '4.3.2 try again later'],
  [300, 554, '5.7.0 refused'],
]

/** A mail relay that stands before the sink as the providers do. */
export class Relay {
  readonly #server: SMTPServer
  readonly #providers: Providers
  /** By the port of their client. */
  readonly #sockets = new Map<number, Socket>()

  private constructor(providers: Providers) {
    this.#providers = providers
    this.#server = new SMTPServer({
      disabledCommands: ['AUTH', 'STARTTLS'],
      logger: false,
      closeTimeout: 100,
      onData: (stream, session, done) => void this.#take(stream, session, done),
    })
    this.#server.on('error', () => undefined) // clients come and go
    this.#server.server.on('connection', (socket: Socket) => {
      const port = socket.remotePort ?? 0
      this.#sockets.set(port, socket)
      socket.on('close', () => this.#sockets.delete(port))
    })
  }

  static async start(providers: Providers): Promise<Relay> {
    const relay = new Relay(providers)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server.server, 'listening')
    return relay
  }

  get port(): number {
    const address = this.#server.server.address()
    if (address === null || typeof address === 'string') throw new Error('the relay does not listen')
    return address.port
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  async #take(stream: SMTPServerDataStream, { remotePort, envelope }: SMTPServerSession, done: Done): Promise<void> {
    const socket = this.#sockets.get(remotePort)
    const left = new AbortController()
    const leave = () => left.abort()
    socket?.once('close', leave)
    try {
      const chunks: Buffer[] = []
      for await (const chunk of stream) if (chunk instanceof Buffer) chunks.push(chunk)
      const told = { to: envelope.rcptTo[0]?.address ?? '', content: contentOf(chunks), key: null }
      const answer = await this.#providers.deliver(connection, told, left.signal)
      answer.resume()
      const status = answer.statusCode ?? 500
      const refusal = words.find(([min]) => status >= min)
      done(refusal === undefined ? null : Object.assign(new Error(refusal[2]), { responseCode: refusal[1] }))
    } catch {
      socket?.resetAndDestroy() // the sink was told to leave its sender in the dark
    } finally {
      socket?.off('close', leave)
    }
  }
}

type Done = (error?: Error | null) => void

/** Of the mails that the engine writes: one part of plain text, perhaps with soft line breaks. */
function contentOf(chunks: readonly Buffer[]): string {
  const [, ...rest] = Buffer.concat(chunks).toString('utf8').split('\r\n\r\n')
  return rest.join('\n\n').replaceAll('=\r\n', '').replaceAll('\r\n', '\n').replaceAll('=3D', '=').trim()
}
