import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'

const channel = 'net.server.socket'

/** The sockets that servers of this process accept on one port, so that a test can see what is left behind. */
export class ServerSockets {
  readonly #port: number
  readonly #sockets = new Set<Socket>()
  readonly #onSocket = (message: unknown) => {
    if (typeof message !== 'object' || message === null || !('socket' in message)) return
    if (message.socket instanceof Socket && message.socket.localPort === this.#port) this.#sockets.add(message.socket)
  }

  /** Sees connections from now on, until `stop`. */
  constructor(port: number) {
    this.#port = port
    subscribe(channel, this.#onSocket)
  }

  get open(): readonly Socket[] {
    return [...this.#sockets].filter((socket) => !socket.destroyed)
  }

  /** Bytes that the server took from all its sockets, the closed ones too. */
  get bytesRead(): number {
    return [...this.#sockets].reduce((sum, socket) => sum + socket.bytesRead, 0)
  }

  /** Over all events of the open sockets. */
  get listenerCount(): number {
    const count = (socket: Socket) => socket.eventNames().reduce((sum, name) => sum + socket.listenerCount(name), 0)
    return this.open.reduce((sum, socket) => sum + count(socket), 0)
  }

  stop(): void {
    unsubscribe(channel, this.#onSocket)
  }
}
