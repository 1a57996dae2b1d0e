import { closeSync, openSync, writeSync } from 'node:fs'

/** One delivery, as it came in and as it was answered. */
export interface Received {
  /** Counts from 0 since the start or the last reset. */
  readonly index: number
  /** When its headers had arrived, in epoch milliseconds. */
  readonly at: number
  /** When the answer was about to be sent; null when none was (yet). */
  answeredAt: number | null
  /** The status sent; null when none was (yet). */
  status: number | null
  /** `Idempotency-Key`, null without one. */
  readonly key: string | null
  /** 1 for the first delivery under its key. */
  readonly delivery: number
  readonly path: string
  readonly correlationId: string | null
  readonly traceparent: string | null
  /** From the JSON body; null when it was not read or holds none. */
  readonly to: string | null
  readonly channel: string | null
  /** The first {@link contentKeptMax} characters. */
  readonly content: string | null
  readonly contentLength: number | null
}

export const maxKeptDefault = 100_000
export const contentKeptMax = 256

/** The last deliveries in memory, all of them in an optional file. */
export class Ledger {
  readonly #maxKept: number
  #file: number | null
  /** A ring: entry `index` is at `index % maxKept`. */
  #kept: Received[] = []
  #count = 0
  #byStatus = new Map<string, number>()

  /** @param maxKept 0 keeps none, only counts. @param logFile is appended to, one JSON object a line. */
  constructor(maxKept: number, logFile: string | null) {
    this.#maxKept = maxKept
    this.#file = logFile === null ? null : openSync(logFile, 'a')
  }

  get count(): number {
    return this.#count
  }

  /** Answers sent by status; deliveries left without an answer count as `none`. */
  get byStatus(): Readonly<{ [status: string]: number }> {
    return Object.fromEntries(this.#byStatus)
  }

  add(seen: Omit<Received, 'index' | 'answeredAt' | 'status'>): Received {
    const received: Received = { index: this.#count++, answeredAt: null, status: null, ...seen }
    if (this.#maxKept > 0) this.#kept[received.index % this.#maxKept] = received
    return received
  }

  /** Says how it was answered. The line is in the file when this returns, so that it is there before the answer is. */
  end(received: Received, status: number | null): void {
    received.status = status
    received.answeredAt = status === null ? null : Date.now()
    const name = status === null ? 'none' : String(status)
    this.#byStatus.set(name, (this.#byStatus.get(name) ?? 0) + 1)
    if (this.#file !== null) writeSync(this.#file, `${JSON.stringify(received)}\n`)
  }

  /** Kept deliveries from `since` on, oldest first. */
  from(since: number, limit = Number.POSITIVE_INFINITY): readonly Received[] {
    const first = Math.max(since, this.#count - this.#kept.length, 0)
    const last = Math.min(this.#count, first + limit)
    const found: Received[] = []
    for (let index = first; index < last; index++) {
      const one = this.#kept[index % this.#maxKept]
      if (one !== undefined) found.push(one)
    }
    return found
  }

  clear(): void {
    this.#kept = []
    this.#count = 0
    this.#byStatus = new Map()
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file)
    this.#file = null
  }
}

/** Counts per key; the keys longest unused are forgotten beyond `max`. */
export class KeyCounts {
  readonly #max: number
  readonly #counts = new Map<string, number>()

  constructor(max: number) {
    this.#max = max
  }

  /** How often `key` came before. */
  next(key: string): number {
    const before = this.#counts.get(key) ?? 0
    this.#counts.delete(key) // to the end of the order
    this.#counts.set(key, before + 1)
    if (this.#counts.size > this.#max) {
      const [oldest] = this.#counts.keys()
      if (oldest !== undefined) this.#counts.delete(oldest)
    }
    return before
  }

  clear(): void {
    this.#counts.clear()
  }
}
