import { connect } from 'amqplib'
import { aborted, errorText, type KeepAliveDeps, keepAlive, within } from './keep-alive.ts'
import { Link, type LinkTimes } from './link.ts'
import type { BrokerStatus } from './status.ts'

interface ConnectionSettings extends LinkTimes {
  readonly url: string
  readonly connectTimeoutMs: number
  /** A silent link is noticed after two of these. */
  readonly heartbeatSeconds: number
}

interface Waiter {
  readonly use: (link: Link) => void
}

/** Keeps one connection, for ever: each generation is one pass of one loop, so no loss can start two reconnects. */
export class ConnectionSupervisor {
  readonly #part: string
  readonly #settings: ConnectionSettings
  readonly #deps: KeepAliveDeps & { readonly status: BrokerStatus }
  readonly #stop = new AbortController()
  readonly #waiters = new Set<Waiter>()
  #link: Link | null = null
  #loop: Promise<void> | null = null

  /** @param purpose `publish` or `consume`: shown in the broker's list of connections. */
  constructor(purpose: string, settings: ConnectionSettings, deps: KeepAliveDeps & { readonly status: BrokerStatus }) {
    this.#part = `${purpose} connection`
    this.#settings = settings
    this.#deps = deps
  }

  /** Begins to connect; returns at once. */
  start(): void {
    if (this.#loop !== null || this.#stop.signal.aborted) return
    const { status } = this.#deps
    status.expect(this.#part)
    this.#loop = keepAlive(
      () => this.#session(),
      this.#stop.signal,
      (reason) => status.bad(this.#part, reason),
      this.#deps,
    )
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    await this.#loop
  }

  /** The live link; null while there is none. */
  get link(): Link | null {
    return this.#link === null || this.#link.ended.aborted ? null : this.#link
  }

  /** Waits for a live link as long as it takes; rejects when `signal` aborts. */
  nextLink(signal: AbortSignal): Promise<Link> {
    const { link } = this
    if (link !== null) return Promise.resolve(link)
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const waiter: Waiter = {
        use: (next) => {
          signal.removeEventListener('abort', onAbort)
          resolve(next)
        },
      }
      const onAbort = () => {
        this.#waiters.delete(waiter)
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(waiter)
    })
  }

  async #session(): Promise<void> {
    const { status } = this.#deps
    const link = await this.#connect()
    this.#link = link
    try {
      status.good(this.#part)
      const waiters = [...this.#waiters]
      this.#waiters.clear()
      for (const waiter of waiters) waiter.use(link)
      await aborted(AbortSignal.any([link.ended, this.#stop.signal]))
      link.ended.throwIfAborted()
    } finally {
      this.#link = null
      await link.close()
    }
  }

  async #connect(): Promise<Link> {
    const { connectTimeoutMs } = this.#settings
    const { status, clock } = this.#deps
    const socket = new AbortController()
    const giveUp = () => socket.abort(this.#stop.signal.reason)
    this.#stop.signal.addEventListener('abort', giveUp, { once: true })
    try {
      const options = {
        noDelay: true,
        keepAlive: true,
        timeout: connectTimeoutMs,
        clientProperties: { connection_name: `dispatch-engine ${this.#part}` },
        // Node's sockets take it: the only way to end one that is still connecting, or whose peer is frozen.
        signal: socket.signal,
      }
      const model = await within(connect(this.#url(), options), connectTimeoutMs, 'connect', clock)
      return new Link(model, socket, this.#settings, clock, (reason) => {
        if (reason === null) status.good(this.#part)
        else status.bad(this.#part, `the broker takes no publishes: ${errorText(reason)}`)
      })
    } catch (error) {
      socket.abort(error)
      throw error
    } finally {
      this.#stop.signal.removeEventListener('abort', giveUp)
    }
  }

  #url(): string {
    const url = new URL(this.#settings.url)
    if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(this.#settings.heartbeatSeconds))
    return url.href
  }
}
