import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Telemetry } from '../port/telemetry.ts'

/** Past the bound, so many more connections still get an answer that says so; the next ones are closed at once. */
const surplusMax = 256

/**
 * Bounds the connections of a server. What comes past the bound is let in just far enough to be told to come back:
 * a connection that is closed without a word looks like a fault of the network.
 */
export class ConnectionBound {
  readonly #limit: number
  readonly #telemetry: Pick<Telemetry, 'bound' | 'refused'>
  readonly #surplus = new WeakSet<Duplex>()
  #open = 0

  constructor(server: Server, limit: number, telemetry: Pick<Telemetry, 'bound' | 'refused'>) {
    this.#limit = limit
    this.#telemetry = telemetry
    server.maxConnections = limit + surplusMax
    server.on('connection', (socket) => this.#opened(socket))
    server.on('drop', () => telemetry.refused('http_connections', 1))
  }

  isSurplus(socket: Duplex): boolean {
    return this.#surplus.has(socket)
  }

  #opened(socket: Duplex): void {
    this.#count(1)
    socket.once('close', () => this.#count(-1))
    if (this.#open <= this.#limit) return
    this.#surplus.add(socket)
    this.#telemetry.refused('http_connections', 1)
  }

  #count(change: 1 | -1): void {
    this.#open += change
    this.#telemetry.bound('http_connections', { inUse: this.#open, limit: this.#limit })
  }
}
