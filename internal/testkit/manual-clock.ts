import type { Clock } from '../port/clock.ts'

interface Waiter {
  readonly atMs: number
  readonly wake: () => void
}

/** A clock that moves only when a test says so. */
export class ManualClock implements Clock {
  #nowMs: number
  #waiters: Waiter[] = []

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs
  }

  now(): Date {
    return new Date(this.#nowMs)
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const waiter: Waiter = {
        atMs: this.#nowMs + ms,
        wake: () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        },
      }
      const onAbort = () => {
        this.#waiters = this.#waiters.filter((one) => one !== waiter)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.push(waiter)
    })
  }

  timeout(ms: number): { readonly signal: AbortSignal; clear(): void } {
    const abort = new AbortController()
    const expire = () => abort.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'))
    return { signal: abort.signal, clear: this.after(ms, expire) }
  }

  after(ms: number, act: () => void): () => void {
    const waiter: Waiter = { atMs: this.#nowMs + ms, wake: act }
    this.#waiters.push(waiter)
    return () => {
      this.#waiters = this.#waiters.filter((one) => one !== waiter)
    }
  }

  /** How many sleeps and timeouts are pending: lets a test wait until the code under test sleeps. */
  endOfTurn(action: () => void): void {
    setImmediate(action)
  }

  get pending(): number {
    return this.#waiters.length
  }

  /** Moves time on, waking sleepers in order, and lets promise chains run between them. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settle()
    for (;;) {
      const next = this.#waiters.filter((one) => one.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) break
      this.#waiters = this.#waiters.filter((one) => one !== next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.wake()
      await settle()
    }
    this.#nowMs = endMs
    await settle()
  }
}

/** Runs every promise callback that is ready, and those that they make ready. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
