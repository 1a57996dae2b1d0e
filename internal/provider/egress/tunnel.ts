import { Socket } from 'node:net'
import { callbackify } from 'node:util'
import { buildConnector, Pool } from 'undici'
import { basicCredentials } from './basic-credentials.ts'
import { BlockedAddressError } from './blocked.ts'
import type { Target, TargetRules } from './target-rules.ts'

type Connector = buildConnector.connector

/** The proxy gave no tunnel; nothing was sent. */
class EgressProxyError extends Error {
  override readonly name = 'EgressProxyError'
  readonly code = 'egress_proxy'
}

/** The operator's way out: every connection is a `CONNECT` tunnel through one HTTP proxy, which resolves the names. */
export class EgressProxy {
  readonly #pool: Pool
  readonly #headers: Readonly<Record<string, string>>
  readonly #connectTimeoutMs: number

  /** @param url http: or https:; user and password in it become `Proxy-Authorization: Basic`. */
  constructor(url: string, connectTimeoutMs: number) {
    const proxy = new URL(url)
    const credentials = basicCredentials(proxy)
    this.#headers = credentials === null ? {} : { 'proxy-authorization': credentials }
    this.#connectTimeoutMs = connectTimeoutMs
    // A tunnel uses its connection up, so there is none to share or to keep.
    this.#pool = new Pool(proxy.origin, {
      connectTimeout: connectTimeoutMs,
      headersTimeout: connectTimeoutMs,
      allowH2: false,
      pipelining: 1,
    })
  }

  connector(target: Target, rules: TargetRules): Connector {
    const problem = rules.problemOf(target)
    const secure = buildConnector({ timeout: this.#connectTimeoutMs, allowH2: false })
    const tunnel = callbackify(async () => {
      if (problem !== null) throw new BlockedAddressError(problem)
      return this.open(target)
    })
    return (options, callback) => {
      tunnel((error, socket) => {
        if (error !== null) callback(error, null)
        else if (target.protocol === 'http:') callback(null, socket)
        else secure({ ...options, httpSocket: socket }, callback)
      })
    }
  }

  async destroy(): Promise<void> {
    await this.#pool.destroy()
  }

  /**
   * A connection to a target that may be called, through the proxy and without TLS of its own.
   * @throws BlockedAddressError when the proxy refuses the target, EgressProxyError when it gives no tunnel.
   */
  async open({ hostname, port }: Pick<Target, 'hostname' | 'port'>): Promise<Socket> {
    const host = hostname.includes(':') ? `[${hostname}]` : hostname
    const path = `${host}:${port}`
    const { statusCode, headers, socket } = await this.#pool
      .connect({ path, headers: { ...this.#headers, host: path } })
      .catch((error: unknown) => {
        // An error of the way to the proxy must not look like one of a connection to the target.
        throw new EgressProxyError('the egress proxy gave no answer', { cause: error })
      })
    if (statusCode >= 200 && statusCode <= 299 && socket instanceof Socket) return socket
    socket.on('error', () => undefined).destroy()
    // Smokescreen refuses with 407 and a header of its own, others with 403; a plain 407 asks us for a password.
    const refused = statusCode === 403 || headers['x-smokescreen-error'] !== undefined
    if (refused) throw new BlockedAddressError('the egress proxy refused it')
    throw new EgressProxyError(`the egress proxy answered with status ${statusCode}`)
  }
}
