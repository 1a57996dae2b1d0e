import type { Dispatcher } from 'undici'

/**
 * Knows of one request whether any of it may have left this process. undici (8.12) announces a request to its handler
 * after a connection was made and immediately before it writes the first byte, in the same turn: as long as
 * `onRequestStart` was not called, nothing was written.
 */
export class WriteMark {
  #mayBeWritten = false

  get mayBeWritten(): boolean {
    return this.#mayBeWritten
  }

  /** For `compose`: marks the one request that is dispatched through it. */
  readonly interceptor: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
    const begin = handler.onRequestStart?.bind(handler)
    handler.onRequestStart = (controller, context) => {
      // Some closes of a connection make undici queue its request anew. A repeat is ours to decide, under our own
      // numbering of attempts.
      if (this.#mayBeWritten) return controller.abort(new Error('the request was written once already'))
      this.#mayBeWritten = true
      begin?.(controller, context)
    }
    return dispatch(options, handler)
  }
}

/** Printable ASCII without blanks at the ends: what every HTTP stack takes as a header value unchanged. */
export function isHeaderSafe(value: string): boolean {
  return /^[!-~](?:[ -~]*[!-~])?$/.test(value)
}
