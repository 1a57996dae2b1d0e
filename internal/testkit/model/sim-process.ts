import type { Random } from '../random.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What happened to a process, kept as the evidence for a duplicate. */
export interface Mishap {
  readonly kind: 'crash' | 'pause' | 'database'
  readonly fromMs: number
  readonly untilMs: number
}

/**
 * A process of the simulated world. Everything that wakes its code comes through `hop`, so it can be paused, and killed
 * at any await: its promises then never resolve.
 */
export class SimProcess {
  readonly name: string
  readonly mishaps: Mishap[] = []
  readonly #time: VirtualClock
  readonly #random: Random
  #endedMs: number | null = null
  #pausedUntilMs = 0
  #hopsToLive = Number.POSITIVE_INFINITY
  readonly #onDeath: (process: SimProcess) => void

  constructor(name: string, time: VirtualClock, random: Random, onDeath: (process: SimProcess) => void) {
    this.name = name
    this.#time = time
    this.#random = random
    this.#onDeath = onDeath
  }

  get isAlive(): boolean {
    return this.#endedMs === null
  }

  /** When it died or left, null while it lives. */
  get endedMs(): number | null {
    return this.#endedMs
  }

  /** Wakes the process after `ms`, later while it is paused, never once it is dead. */
  hop(ms: number, wake: () => void): void {
    this.#time.after(ms, () => this.#arrive(wake))
  }

  /** A question to the world outside; `ask` gets a way to answer that takes its time. A dead process asks nothing. */
  call<T>(ask: (answer: (afterMs: number, how: () => T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.isAlive) return
      ask((afterMs, how) =>
        this.hop(afterMs, () => {
          try {
            resolve(how())
          } catch (error) {
            reject(error)
          }
        }),
      )
    })
  }

  /** Dies at the await that many wake-ups from now. */
  crashAfter(hops: number): void {
    this.#hopsToLive = hops
  }

  crash(): void {
    if (!this.isAlive) return
    this.note('crash')
    this.exit()
  }

  /** The end of a graceful stop, and of everything else. */
  exit(): void {
    this.#endedMs ??= this.#time.nowMs
    this.#onDeath(this)
  }

  pause(ms: number): void {
    const nowMs = this.#time.nowMs
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + ms)
    this.mishaps.push({ kind: 'pause', fromMs: nowMs, untilMs: this.#pausedUntilMs })
  }

  note(kind: Mishap['kind']): void {
    this.mishaps.push({ kind, fromMs: this.#time.nowMs, untilMs: this.#time.nowMs })
  }

  #arrive(wake: () => void): void {
    if (!this.isAlive) return
    const leftMs = this.#pausedUntilMs - this.#time.nowMs
    if (leftMs > 0) {
      // What came during the pause is all there afterwards, in any order.
      this.#time.after(leftMs + this.#random.between(0, 2), () => this.#arrive(wake))
    } else if (--this.#hopsToLive <= 0) this.crash()
    else wake()
  }
}
