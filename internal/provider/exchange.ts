import type { Dispatcher } from 'undici'
import type { Clock } from '../port/clock.ts'
import type { ResponseBody, ResponseHeaders } from './response-body.ts'

export interface HttpRequest {
  /** `https://host:port`. */
  readonly origin: string
  /** With its query. */
  readonly path: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
}

export interface ExchangeOptions {
  readonly dispatcher: Dispatcher
  /** The total deadline: connecting, writing, reading, and waiting for a free connection. */
  readonly signal: AbortSignal
  /** A deadline beside it, counted from now; it ends the exchange with a `TimeoutError`. Default: none. */
  readonly timeoutMs?: number | null
  /** Most bytes read of the answer's body; then the connection is cut. */
  readonly bodyBytesMax: number
  /** How long a body is read after the status; null = until the deadline. */
  readonly bodyReadMaxMs: number | null
  readonly clock: Pick<Clock, 'after'>
}

export type Exchange =
  /** Redirects are answers too. A body that was too big, too slow or broken off is there as far as it came. */
  | {
      readonly kind: 'answer'
      readonly statusCode: number
      readonly headers: ResponseHeaders
      readonly body: ResponseBody
    }
  | {
      readonly kind: 'none'
      readonly error: unknown
      /** False only when it is certain that no byte of the request left this process. */
      readonly mayBeWritten: boolean
    }

/**
 * One request and its answer, at the lowest level undici has: streams, per-request interceptors and races of promises
 * cost more than all the rest of a small exchange. Never rejects. Once there is a status, it is an answer whatever happens to
 * its body.
 */
export function exchange(request: HttpRequest, options: ExchangeOptions): Promise<Exchange> {
  return new Promise((resolve) => {
    const handler = new ExchangeHandler(options, resolve)
    if (handler.isOver) return
    const { origin, path, method, headers, body } = request
    try {
      options.dispatcher.dispatch({ origin, path, method, headers: { ...headers }, body }, handler)
    } catch (error) {
      handler.fail(error)
    }
  })
}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions
  readonly #resolve: (exchange: Exchange) => void
  #controller: Dispatcher.DispatchController | null = null
  #mayBeWritten = false
  #answer: { readonly statusCode: number; readonly headers: ResponseHeaders } | null = null
  #chunks: Buffer[] = []
  #size = 0
  #endTimeout: (() => void) | null = null
  #endBodyLimit: (() => void) | null = null
  isOver = false

  constructor(options: ExchangeOptions, resolve: (exchange: Exchange) => void) {
    this.#options = options
    this.#resolve = resolve
    const { signal, timeoutMs = null, clock } = options
    if (signal.aborted) this.#onSignal()
    else {
      signal.addEventListener('abort', this.#onSignal)
      if (timeoutMs !== null) this.#endTimeout = clock.after(timeoutMs, () => this.#onDeadline(timeoutError(timeoutMs)))
    }
  }

  /**
   * undici (8.12) calls this after a connection was made and immediately before it writes the first byte, in the same
   * turn: before it, nothing was written.
   */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Some closes of a connection make undici queue its request anew. A repeat is ours to decide, under our own
    // numbering of attempts. And what waited too long for a connection must not be sent late.
    if (this.#mayBeWritten) return controller.abort(new Error('the request was written once already'))
    if (this.isOver) return controller.abort(new Error('the request was called off before it was written'))
    this.#mayBeWritten = true
    this.#controller = controller
  }

  onResponseStart(controller: Dispatcher.DispatchController, statusCode: number, headers: ResponseHeaders): void {
    if (statusCode < 200 || this.isOver) return // early hints are no answer
    this.#controller = controller
    this.#answer = { statusCode, headers }
    // Most bodies have come with their status, in the same read: only one that has not needs a limit.
    queueMicrotask(this.#limitBody)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isOver) return
    const room = this.#options.bodyBytesMax - this.#size
    this.#chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk)
    this.#size += chunk.length
    if (chunk.length > room) this.#cutBody()
  }

  onResponseEnd(): void {
    this.#finishBody(true)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: unknown): void {
    if (this.#answer === null) this.fail(error)
    else this.#finishBody(false)
  }

  fail(error: unknown): void {
    this.#finish({ kind: 'none', error, mayBeWritten: this.#mayBeWritten })
  }

  readonly #onSignal = (): void => this.#onDeadline(this.#options.signal.reason)

  #onDeadline(reason: unknown): void {
    if (this.#answer !== null) return this.#cutBody()
    this.fail(reason)
    this.#controller?.abort(new Error('the deadline is over'))
  }

  readonly #limitBody = (): void => {
    const { bodyReadMaxMs, clock } = this.#options
    if (!this.isOver && bodyReadMaxMs !== null) this.#endBodyLimit = clock.after(bodyReadMaxMs, this.#cutBody)
  }

  readonly #cutBody = (): void => {
    this.#finishBody(false)
    this.#controller?.abort(new Error('the rest of the body is not wanted'))
  }

  #finishBody(complete: boolean): void {
    if (this.#answer === null) return
    const [first] = this.#chunks
    const bytes = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks)
    this.#finish({ kind: 'answer', ...this.#answer, body: { bytes, complete } })
  }

  #finish(ended: Exchange): void {
    if (this.isOver) return
    this.isOver = true
    this.#endTimeout?.()
    this.#endBodyLimit?.()
    this.#options.signal.removeEventListener('abort', this.#onSignal)
    this.#resolve(ended)
  }
}

function timeoutError(ms: number): DOMException {
  return new DOMException(`no answer within ${ms} ms`, 'TimeoutError')
}
