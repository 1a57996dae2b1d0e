import type { Clock } from '../../port/clock.ts'
import type { Random } from '../random.ts'

interface Event {
  readonly atMs: number
  /** Decides among events of one moment, for which every order is possible. */
  readonly order: number
  readonly run: () => void
}

/**
 * Time and order of everything in a simulated world: events happen one at a time, those of one moment in an order
 * drawn from the seed, and after each every promise chain runs as far as it can.
 */
export class VirtualClock {
  readonly #random: Random
  #nowMs = Date.UTC(2026, 0, 1)
  /** A heap, the next event first. */
  readonly #events: Event[] = []
  #steps = 0

  constructor(random: Random) {
    this.#random = random
  }

  get nowMs(): number {
    return this.#nowMs
  }

  get steps(): number {
    return this.#steps
  }

  after(ms: number, run: () => void): void {
    this.#push({ atMs: this.#nowMs + Math.max(0, ms), order: this.#random.next(), run })
  }

  /** Runs events until `isDone`, for `forMs` at most. Returns whether it was done. */
  async runUntil(isDone: () => boolean, forMs: number): Promise<boolean> {
    const endMs = this.#nowMs + forMs
    await turn()
    for (;;) {
      if (isDone()) return true
      const next = this.#events[0]
      if (next === undefined || next.atMs > endMs) break
      this.#pop()
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      this.#steps++
      next.run()
      await turn()
    }
    this.#nowMs = endMs
    return isDone()
  }

  #push(event: Event): void {
    this.#events.push(event)
    let at = this.#events.length - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#swapIfEarlier(at, parent)) break
      at = parent
    }
  }

  #pop(): void {
    const last = this.#events.pop()
    if (last === undefined || this.#events.length === 0) return
    this.#events[0] = last
    for (let at = 0; ; ) {
      const left = 2 * at + 1
      const child = this.#isEarlier(left + 1, left) ? left + 1 : left
      if (!this.#swapIfEarlier(child, at)) return
      at = child
    }
  }

  #isEarlier(one: number, two: number): boolean {
    const a = this.#events[one]
    const b = this.#events[two]
    if (a === undefined || b === undefined) return false
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
  }

  #swapIfEarlier(one: number, two: number): boolean {
    const a = this.#events[one]
    const b = this.#events[two]
    if (a === undefined || b === undefined || !this.#isEarlier(one, two)) return false
    this.#events[one] = b
    this.#events[two] = a
    return true
  }
}

/** What a process sees of it: `hop` is how anything wakes the process, so that it can be paused or dead. */
export function clockOf(time: VirtualClock, hop: (ms: number, wake: () => void) => void): Clock {
  return {
    now: () => new Date(time.nowMs),
    monotonicMs: () => time.nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const onAbort = () => reject(signal?.reason)
        signal?.addEventListener('abort', onAbort, { once: true })
        hop(ms, () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        })
      }),
    timeout(ms) {
      const abort = new AbortController()
      let isNeeded = true
      hop(ms, () => {
        if (isNeeded) abort.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'))
      })
      return { signal: abort.signal, clear: () => void (isNeeded = false) }
    },
    after(ms, act) {
      let isNeeded = true
      hop(ms, () => {
        if (isNeeded) act()
      })
      return () => void (isNeeded = false)
    },
    endOfTurn: (action) => hop(0, action),
  }
}

/** A macrotask: by then every promise callback has run, and those that they made ready. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
