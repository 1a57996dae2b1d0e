import type { ConnectionId } from '../domain/connection.ts'
import { waitInPlaceMaxMs } from '../domain/protocol.ts'
import { slotLookAgainMs } from '../port/bucket-limiter.ts'
import type { Clock } from '../port/clock.ts'
import type { Bucket } from '../port/outlet.ts'

/** Where a refused message waits: here, or in the database. */
export type Place = { readonly kind: 'here' | 'later'; readonly ms: number }

interface Line {
  waitingHere: number
  /** When the last of those who wait here has its turn. */
  hereEndsMs: number
  laterEndsMs: number
}

/** Nobody is sent away for longer: what was reckoned may have changed by then. */
const laterMaxMs = 60_000
const linesMax = 1_000

/**
 * Turns of messages that a bucket refused. All are told the same wait, that of the next permit; if all came back then,
 * one would go and the others would be claimed in vain. So each is given a turn of its own, one interval apart: a few
 * wait here, with a slot and a lease, so that no permit goes unused; the others wait in the database.
 */
export class PaceLine {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  readonly #waitersMax: number
  readonly #lines = new Map<ConnectionId, Line>()

  constructor(clock: Pick<Clock, 'monotonicMs' | 'sleep'>, waitersMax: number) {
    this.#clock = clock
    this.#waitersMax = waitersMax
  }

  /** Messages that wait here for a permit of this connection: who comes later waits behind them. */
  waiting(id: ConnectionId): number {
    return this.#lines.get(id)?.waitingHere ?? 0
  }

  /**
   * The turn of a message that was refused for `waitMs`.
   * @param hereUntilMs on the monotonic clock; it waits here only when its turn comes before.
   */
  turn(id: ConnectionId, buckets: readonly Bucket[], waitMs: number, hereUntilMs: number): Place {
    const line = this.#lineOf(id)
    const nowMs = this.#clock.monotonicMs()
    const intervalMs = intervalOf(buckets)
    const firstMs = nowMs + waitMs
    const hereMs = Math.max(firstMs, line.hereEndsMs + intervalMs)
    if (hereMs <= hereUntilMs && line.waitingHere < this.#waitersMax) {
      line.hereEndsMs = hereMs
      return { kind: 'here', ms: hereMs - nowMs }
    }
    line.laterEndsMs = Math.min(Math.max(firstMs, line.laterEndsMs + intervalMs), nowMs + laterMaxMs)
    return { kind: 'later', ms: line.laterEndsMs - nowMs }
  }

  async wait(id: ConnectionId, ms: number): Promise<void> {
    const line = this.#lineOf(id)
    line.waitingHere++
    try {
      await this.#clock.sleep(Math.min(ms, waitInPlaceMaxMs))
    } finally {
      line.waitingHere--
    }
  }

  #lineOf(id: ConnectionId): Line {
    const found = this.#lines.get(id)
    if (found !== undefined) return found
    if (this.#lines.size >= linesMax) this.#forgetIdle()
    const line: Line = { waitingHere: 0, hereEndsMs: -Infinity, laterEndsMs: -Infinity }
    this.#lines.set(id, line)
    return line
  }

  #forgetIdle(): void {
    for (const [id, line] of this.#lines) if (line.waitingHere === 0) this.#lines.delete(id)
  }
}

/** Between two permits of the slowest bucket that all messages share. */
function intervalOf(buckets: readonly Bucket[]): number {
  const intervals = buckets.map((bucket) => {
    if (bucket.kind === 'concurrency') return slotLookAgainMs / bucket.limit
    return bucket.scope === 'connection' ? bucket.perMs / bucket.limit : 0
  })
  return Math.max(0, ...intervals)
}
