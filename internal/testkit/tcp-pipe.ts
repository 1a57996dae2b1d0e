import type { Socket } from 'node:net'

/** How bytes travel; one object that all pipes of a proxy look at. */
export interface Weather {
  /** Added to every chunk, in ms. */
  delayMs: number
  /** Of each direction of each connection; 0 = no limit. */
  bytesPerSecond: number
  /** Everything is swallowed, and nobody is told. */
  isHole: boolean
}

/** One direction of a connection: late, slow or lost as the weather is, but always in order. */
export class TcpPipe {
  readonly #to: Socket
  readonly #weather: Weather
  /** When the last chunk under way arrives, on the monotonic clock. */
  #lastDueMs = 0
  /** Two timers that are due at the same moment may ring in any order, so a ring lets the first one in line arrive. */
  readonly #underWay: Buffer[] = []
  #lostBytes = 0
  #isEnding = false

  constructor(to: Socket, weather: Weather) {
    this.#to = to
    this.#weather = weather
  }

  /** Bytes swallowed: a connection that lost some can only be reset. */
  get lostBytes(): number {
    return this.#lostBytes
  }

  write(bytes: Buffer): void {
    const { delayMs, bytesPerSecond, isHole } = this.#weather
    if (isHole) {
      this.#lostBytes += bytes.length
      return
    }
    if (delayMs === 0 && bytesPerSecond === 0 && this.#underWay.length === 0) {
      this.#to.write(bytes)
      return
    }
    const nowMs = performance.now()
    const travelMs = bytesPerSecond === 0 ? 0 : (bytes.length / bytesPerSecond) * 1_000
    this.#lastDueMs = Math.max(nowMs + delayMs, this.#lastDueMs) + travelMs
    this.#underWay.push(bytes)
    setTimeout(() => this.#arriveNext(), this.#lastDueMs - nowMs).unref()
  }

  /** Ends the receiver once everything under way has arrived. */
  end(): void {
    this.#isEnding = true
    if (this.#underWay.length === 0) this.#to.end()
  }

  #arriveNext(): void {
    const bytes = this.#underWay.shift()
    if (bytes === undefined || this.#to.destroyed) return
    this.#to.write(bytes)
    if (this.#isEnding && this.#underWay.length === 0) this.#to.end()
  }
}
