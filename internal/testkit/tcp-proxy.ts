import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { TcpPipe, type Weather } from './tcp-pipe.ts'

interface TcpTarget {
  readonly host: string
  readonly port: number
}

interface Pair {
  readonly client: Socket
  readonly upstream: Socket
  readonly pipes: readonly [toUpstream: TcpPipe, toClient: TcpPipe]
  /** Bytes that may still pass before it is reset; null = any number. */
  leftBytes: number | null
}

/** A network in front of a server, for tests: passes bytes on, loses, slows, cuts or freezes them. Loopback only. */
export class TcpProxy {
  readonly #target: TcpTarget
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #isFrozen = false
  #isOpen = true
  #isMute = false
  #lostBytes = 0
  #cutAfterBytes: number | null = null
  readonly #weather: Weather = { delayMs: 0, bytesPerSecond: 0, isHole: false }
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

  /** Everything as it should be again. Connections that lost bytes meanwhile are reset. */
  pass(): void {
    Object.assign(this.#weather, { delayMs: 0, bytesPerSecond: 0, isHole: false })
    this.#cutAfterBytes = null
    this.open()
    this.unmute()
    this.thaw()
    for (const pair of this.#pairs) {
      pair.leftBytes = null
      if (pair.pipes.some((pipe) => pipe.lostBytes > 0)) end(pair)
    }
  }

  /** Every chunk takes `ms` longer in each direction. */
  delay(ms: number): void {
    this.#weather.delayMs = ms
  }

  /** No direction of a connection carries more than that. */
  throttle(bytesPerSecond: number): void {
    this.#weather.bytesPerSecond = bytesPerSecond
  }

  /** Swallows every byte and tells nobody; new connections are taken. {@link pass} resets those that lost some. */
  blackhole(): void {
    this.#weather.isHole = true
  }

  /** Tells every client that the server is done sending; what the client sends still passes. */
  halfClose(): void {
    for (const { client, upstream } of this.#pairs) {
      upstream.pause()
      client.end()
    }
  }

  /** Resets each connection, those to come too, after so many more bytes of either side: in the middle of a frame. */
  cutAfter(bytes: number): void {
    this.#cutAfterBytes = bytes
    for (const pair of this.#pairs) pair.leftBytes = bytes
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
    const pipes = [new TcpPipe(upstream, this.#weather), new TcpPipe(client, this.#weather)] as const
    const pair: Pair = { client, upstream, pipes, leftBytes: this.#cutAfterBytes }
    this.#pairs.add(pair)
    for (const [from, to, pipe] of [
      [client, upstream, pipes[0]],
      [upstream, client, pipes[1]],
    ] as const) {
      from.on('data', (bytes: Buffer) => {
        if (this.#isMute && from === upstream) this.#lostBytes += bytes.length
        else pass(pair, pipe, bytes)
      })
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#pairs.delete(pair)
        pipe.end()
        if (this.#isFrozen) to.destroy()
      })
    }
    if (this.#isFrozen) this.freeze()
  }
}

function pass(pair: Pair, pipe: TcpPipe, bytes: Buffer): void {
  const left = pair.leftBytes
  if (left === null || bytes.length <= left) {
    if (left !== null) pair.leftBytes = left - bytes.length
    pipe.write(bytes)
    return
  }
  pair.leftBytes = 0
  pipe.write(bytes.subarray(0, left))
  // After what was just written has gone out: a reset at once would throw it away.
  setImmediate(() => end(pair))
}

function end({ client, upstream }: Pair): void {
  client.resetAndDestroy()
  upstream.destroy()
}
