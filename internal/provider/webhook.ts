import { Pool } from 'undici'
import type { SendResult } from '../domain/outcome.ts'
import type { Component } from '../lifecycle/component.ts'
import type { Clock } from '../port/clock.ts'
import type { Claimed } from '../port/notification-store.ts'
import { type Provider, providerKey } from '../port/provider.ts'
import type { Logger } from '../port/telemetry.ts'
import { classifyAnswer, classifyFailure, systemCodeOf } from './classify.ts'
import { type Exchange, exchange, type HttpRequest } from './exchange.ts'
import { excerptOf, headerOf, messageIdOf, responseBytesMax } from './response-body.ts'
import { isHeaderSafe } from './write-mark.ts'

export interface WebhookOptions {
  /** http: or https:; user and password in it become an `Authorization: Basic` header. */
  readonly url: string
  /** At least the sends under way at once: a request that waits for a connection waits within its deadline. */
  readonly connections?: number
  /** Name lookup, TCP and TLS together. */
  readonly connectTimeoutMs?: number
  /** How long a body is read after the status: it tells a message id and an excerpt, nothing that decides. */
  readonly bodyReadMaxMs?: number
  /** How long `stop` waits for sends under way before it cuts them. */
  readonly stopMaxMs?: number
  /** Shown in `User-Agent`. */
  readonly version?: string
}

export interface WebhookDeps {
  readonly logger: Logger
  readonly clock: Pick<Clock, 'now' | 'timeout'>
}

export const connectionsDefault = 64
export const connectTimeoutMsDefault = 3_000
export const bodyReadMaxMsDefault = 2_000
export const stopMaxMsDefault = 5_000
/** Idle connections are given up before usual servers give them up (5 s): a request on a dying one may be lost. */
const keepAliveMs = 4_000
const headerBytesMax = 16_384
/** Only a backstop, above every deadline that a caller may give (less than 15 min, half the broker's own limit). */
const headersTimeoutMs = 900_000

/**
 * The default way out: `POST {"to","channel","content"}` to one URL. 2xx is success whatever the body; redirects are
 * not followed; the caller's signal bounds all of it, also the wait for a free connection.
 */
export class WebhookProvider implements Provider, Component {
  readonly name = 'webhook'
  readonly #pool: Pool
  readonly #origin: string
  readonly #path: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #bodyReadMaxMs: number
  readonly #stopMaxMs: number
  readonly #logger: Logger
  readonly #clock: WebhookDeps['clock']
  #stopped: Promise<void> | null = null

  /** @throws TypeError when the URL is no http: or https: URL; the message does not repeat it, since it may hold a secret. */
  constructor(options: WebhookOptions, { logger, clock }: WebhookDeps) {
    const url = targetUrl(options.url)
    this.#origin = url.origin
    this.#path = url.pathname + url.search
    this.#headers = {
      'content-type': 'application/json',
      'user-agent': options.version === undefined ? 'dispatch-engine' : `dispatch-engine/${options.version}`,
      ...basicAuth(url),
    }
    this.#bodyReadMaxMs = options.bodyReadMaxMs ?? bodyReadMaxMsDefault
    this.#stopMaxMs = options.stopMaxMs ?? stopMaxMsDefault
    this.#logger = logger
    this.#clock = clock
    // A pool, not an agent: an agent (undici 8.12) forgets its pools at `close`, so that `destroy` cuts nothing any more.
    this.#pool = new Pool(this.#origin, {
      connections: options.connections ?? connectionsDefault,
      connectTimeout: options.connectTimeoutMs ?? connectTimeoutMsDefault,
      headersTimeout: headersTimeoutMs,
      bodyTimeout: this.#bodyReadMaxMs,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      maxHeaderSize: headerBytesMax,
      pipelining: 1,
      allowH2: false, // "was it written" is known per connection, which streams would share
    })
  }

  async start(): Promise<void> {}

  /** Waits for sends under way, at most `stopMaxMs`, then cuts them: their outcome is unknown. */
  async stop(): Promise<void> {
    this.#stopped ??= this.#close()
    await this.#stopped
  }

  async #close(): Promise<void> {
    const limit = this.#clock.timeout(this.#stopMaxMs)
    const giveUp = whenAborted(limit.signal)
    await Promise.race([this.#pool.close(), giveUp.promise]).catch(() => this.#pool.destroy())
    giveUp.cancel()
    limit.clear()
  }

  async send(message: Claimed, signal: AbortSignal): Promise<SendResult> {
    const ended = await exchange(this.#requestFor(message), {
      dispatcher: this.#pool,
      signal,
      bodyBytesMax: responseBytesMax,
      bodyReadMaxMs: this.#bodyReadMaxMs,
      clock: this.#clock,
    })
    return ended.kind === 'answer' ? this.#resultOf(message, ended) : this.#resultWithout(message, ended, signal)
  }

  #requestFor(message: Claimed): HttpRequest {
    const body = { to: message.recipient, channel: message.channel.toLowerCase(), content: message.content }
    return {
      origin: this.#origin,
      path: this.#path,
      method: 'POST',
      headers: { ...this.#headers, ...headersFor(message) },
      body: JSON.stringify(body),
    }
  }

  #resultOf(message: Claimed, { statusCode, headers, body }: Exchange & { readonly kind: 'answer' }): SendResult {
    return classifyAnswer(
      {
        statusCode,
        retryAfter: headerOf(headers, 'retry-after'),
        providerMessageId: messageIdOf(headers, body, message.correlationId),
        responseExcerpt: excerptOf(headers, body, [message.recipient, message.content]),
      },
      this.#clock.now(),
    )
  }

  #resultWithout(
    message: Claimed,
    { error, mayBeWritten }: Exchange & { readonly kind: 'none' },
    signal: AbortSignal,
  ): SendResult {
    const calledOff = signal.aborted && error === signal.reason
    const systemCode = systemCodeOf(calledOff ? asAbort(error) : error)
    const result = classifyFailure(systemCode, mayBeWritten)
    this.#logger.debug('webhook gave no answer', {
      notificationId: message.id,
      outcome: result.kind,
      code: result.kind === 'accepted' ? null : result.code,
      systemCode,
    })
    return result
  }
}

/** A deadline keeps its name; every other reason to call a send off is one and the same. */
function asAbort(reason: unknown): Error {
  if (reason instanceof Error && reason.name === 'TimeoutError') return reason
  return new DOMException('called off', 'AbortError')
}

function targetUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new TypeError('the webhook target must be an http: or https: URL')
  }
  return url
}

function basicAuth({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

function headersFor(message: Claimed): Record<string, string> {
  const headers: Record<string, string> = { 'idempotency-key': providerKey(message) }
  if (isHeaderSafe(message.correlationId)) {
    headers['x-correlation-id'] = message.correlationId
    headers['x-request-id'] = message.correlationId
  }
  if (message.traceparent !== null && isHeaderSafe(message.traceparent)) headers['traceparent'] = message.traceparent
  return headers
}

/** A promise that rejects with the signal's reason; `cancel` lets go of the signal. */
function whenAborted(signal: AbortSignal): { readonly promise: Promise<never>; cancel(): void } {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  promise.catch(() => undefined) // nobody may be waiting any more
  return { promise, cancel: () => signal.removeEventListener('abort', onAbort) }
}
