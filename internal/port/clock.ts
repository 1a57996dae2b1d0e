/** Time, so that tests can move it by hand. Nothing in domain, dispatch or httpapi reads the real clock. */
export interface Clock {
  /** Wall time; only for showing and for comparing with times a client gave. */
  now(): Date
  /** Milliseconds that never go back; only differences mean something. */
  monotonicMs(): number
  /** Resolves after `ms` (>= 0); rejects with `signal.reason` as soon as `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** A signal that aborts after `ms` with a `TimeoutError`; call `clear` when it is not needed any more. */
  timeout(ms: number): { readonly signal: AbortSignal; clear(): void }
  /** Acts once after `ms`, unless the function returned is called before. For what a signal would be too much. */
  after(ms: number, act: () => void): () => void
  /**
   * Runs `action` once everything that has arrived by now was read: at the end of this turn of the event loop, some
   * microseconds from now where there is nothing else to do.
   */
  endOfTurn(action: () => void): void
}
