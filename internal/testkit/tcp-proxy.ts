import { createServer, connect as dial, type Server, type Socket } from 'node:net'

interface TcpTarget {
  readonly host: string
  readonly port: number
}

interface Pair {
  readonly client: Socket
  readonly upstream: Socket
}

/** A network in front of a server, for tests: passes bytes on, cuts connections, or freezes them. Loopback only. */
export class TcpProxy {
  readonly #target: TcpTarget
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #isFrozen = false
  #isOpen = true
  #isMute = false
  #lostBytes = 0
  #accepted = 0

  private constructor(target: TcpTarget) {
    this.#target = target
    this.#server = createServer((client) => this.#accept(client))
  }

  /** @param options `isOpen: false` refuses connections until {@link open}. */
  static async start(target: TcpTarget, { isOpen = true }: { readonly isOpen?: boolean } = {}): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    proxy.#isOpen = isOpen
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject)
      proxy.#server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy is not listening')
    return address.port
  }

  /** Connections accepted so far. */
  get accepted(): number {
    return this.#accepted
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#pairs.size
  }

  /** Resets every connection; new ones are taken. */
  cut(): void {
    for (const pair of this.#pairs) end(pair)
  }

  /** Resets every connection and every new one until {@link open}. */
  close(): void {
    this.#isOpen = false
    this.cut()
  }

  open(): void {
    this.#isOpen = true
  }

  /** No byte passes in either direction, and nobody is told; new connections are taken and stay silent. */
  freeze(): void {
    this.#isFrozen = true
    for (const { client, upstream } of this.#pairs) {
      client.pause()
      upstream.pause()
    }
  }

  thaw(): void {
    this.#isFrozen = false
    for (const { client, upstream } of this.#pairs) {
      client.resume()
      upstream.resume()
    }
  }

  /** What the server says is lost on the way, until {@link unmute}; only safe while whole messages are lost. */
  mute(): void {
    this.#isMute = true
    this.#lostBytes = 0
  }

  unmute(): void {
    this.#isMute = false
  }

  /** Bytes of the server that were lost since {@link mute}. */
  get lostBytes(): number {
    return this.#lostBytes
  }

  /** Sends `bytes` to every client as if the server had. */
  inject(bytes: Uint8Array): void {
    for (const { client } of this.#pairs) client.write(bytes)
  }

  /** Ends everything and frees the port. */
  async stop(): Promise<void> {
    this.close()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #accept(client: Socket): void {
    if (!this.#isOpen) {
      client.on('error', () => undefined)
      client.resetAndDestroy()
      return
    }
    this.#accepted += 1
    const upstream = dial({ ...this.#target, noDelay: true })
    client.setNoDelay(true)
    const pair = { client, upstream }
    this.#pairs.add(pair)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (bytes) => {
        if (this.#isMute && from === upstream) this.#lostBytes += bytes.length
        else to.write(bytes)
      })
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#pairs.delete(pair)
        to.end()
        if (this.#isFrozen) to.destroy()
      })
    }
    if (this.#isFrozen) this.freeze()
  }
}

function end({ client, upstream }: Pair): void {
  client.resetAndDestroy()
  upstream.destroy()
}
