import type { Dispatcher } from 'undici'
import type { SendResult } from '../domain/outcome.ts'
import type { Clock } from '../port/clock.ts'
import type { Claimed } from '../port/notification-store.ts'
import { type Provider, providerKey } from '../port/provider.ts'
import type { Logger } from '../port/telemetry.ts'
import { classifyAnswer, classifyFailure, classifyRefusal, systemCodeOf } from './classify.ts'
import { basicCredentials } from './egress/basic-credentials.ts'
import { BlockedAddressError } from './egress/blocked.ts'
import type { Egress } from './egress/egress.ts'
import { type Exchange, exchange, type HttpRequest } from './exchange.ts'
import { excerptOf, headerOf, messageIdOf, responseBytesMax } from './response-body.ts'
import { isHeaderSafe } from './text.ts'

export interface WebhookOptions {
  /** http: or https:; user and password in it become an `Authorization: Basic` header. */
  readonly url: string
  /** How long a body is read after the status: it tells a message id and an excerpt, nothing that decides. */
  readonly bodyReadMaxMs?: number
  /** Shown in `User-Agent`. */
  readonly version?: string
}

export interface WebhookDeps {
  readonly logger: Logger
  readonly clock: Pick<Clock, 'now' | 'after'>
  /** The way out; whoever opened it closes it. The URL should be among its trusted ones. */
  readonly egress: Pick<Egress, 'dispatcher'>
}

export const bodyReadMaxMsDefault = 2_000

/**
 * The default way out: `POST {"to","channel","content"}` to one URL. 2xx is success whatever the body; redirects are
 * not followed; the caller's signal bounds all of it, also the wait for a free connection.
 */
export class WebhookProvider implements Provider {
  readonly name = 'webhook'
  readonly #dispatcher: Dispatcher
  readonly #origin: string
  readonly #path: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #bodyReadMaxMs: number
  readonly #logger: Logger
  readonly #clock: WebhookDeps['clock']

  /** @throws TypeError when the URL is no http: or https: URL; the message does not repeat it, since it may hold a secret. */
  constructor(options: WebhookOptions, { logger, clock, egress }: WebhookDeps) {
    const url = targetUrl(options.url)
    const credentials = basicCredentials(url)
    this.#origin = url.origin
    this.#path = url.pathname + url.search
    this.#headers = {
      'content-type': 'application/json',
      'user-agent': options.version === undefined ? 'dispatch-engine' : `dispatch-engine/${options.version}`,
      ...(credentials === null ? {} : { authorization: credentials }),
    }
    this.#bodyReadMaxMs = options.bodyReadMaxMs ?? bodyReadMaxMsDefault
    this.#logger = logger
    this.#clock = clock
    this.#dispatcher = egress.dispatcher
  }

  async send(message: Claimed, signal: AbortSignal): Promise<SendResult> {
    const ended = await exchange(this.#requestFor(message), {
      dispatcher: this.#dispatcher,
      signal,
      bodyBytesMax: responseBytesMax,
      bodyReadMaxMs: this.#bodyReadMaxMs,
      clock: this.#clock,
    })
    return ended.kind === 'answer' ? this.#resultOf(message, ended) : this.#resultWithout(message, ended, signal)
  }

  #requestFor(message: Claimed): HttpRequest {
    const { recipient: to, channel, content, title, html, data } = message
    const more = { ...(title !== null && { title }), ...(html !== null && { html }), ...(data !== null && { data }) }
    const body = { to, channel: channel.toLowerCase(), content, ...more }
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
        responseExcerpt: excerptOf(headers, body, textsOf(message)),
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
    const refused = error instanceof BlockedAddressError
    const result = refused ? classifyRefusal(error) : classifyFailure(systemCode, mayBeWritten)
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

/** What must not be kept with an attempt, should the target say it back. */
function textsOf({ recipient, content, title, html }: Claimed): readonly string[] {
  return [recipient, content, title, html].filter((text) => text !== null)
}

function targetUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new TypeError('the webhook target must be an http: or https: URL')
  }
  return url
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
