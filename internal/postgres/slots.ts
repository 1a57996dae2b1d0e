import { DependencyUnavailableError, OverloadedError } from '../domain/errors.ts'

interface Waiter {
  readonly admit: () => void
}

export interface SlotFigures {
  readonly inUse: number
  readonly waiting: number
}

/**
 * One slot per connection, and a bounded line in front of them. The driver would pipeline up to a hundred statements
 * behind a slow one without any bound; here a slow statement holds up only its own connection.
 */
export class Slots {
  readonly #max: number
  readonly #maxWaiting: number
  readonly #maxWaitMs: number
  readonly #onChange: (figures: SlotFigures) => void
  readonly #waiting = new Set<Waiter>()
  /** Served before all others: work in hand must not stand behind new questions. */
  readonly #vitalWaiting = new Set<Waiter>()
  #inUse = 0

  constructor(
    limits: { max: number; maxWaiting: number; maxWaitMs: number },
    onChange: (figures: SlotFigures) => void,
  ) {
    this.#max = limits.max
    this.#maxWaiting = limits.maxWaiting
    this.#maxWaitMs = limits.maxWaitMs
    this.#onChange = onChange
  }

  /**
   * @throws OverloadedError at once when the line is full, unless `vital`.
   * @throws DependencyUnavailableError when no slot came free in time.
   */
  async acquire(vital: boolean): Promise<void> {
    if (this.#inUse < this.#max) {
      this.#inUse++
      this.#changed()
      return
    }
    if (!vital && this.#waiting.size >= this.#maxWaiting)
      throw new OverloadedError('too many statements wait for PostgreSQL')
    await this.#wait(vital ? this.#vitalWaiting : this.#waiting)
  }

  /** Hands the slot to whoever waits longest, vital ones first. */
  release(): void {
    const [next] = this.#vitalWaiting.size > 0 ? this.#vitalWaiting : this.#waiting
    if (next === undefined) this.#inUse--
    else next.admit()
    this.#changed()
  }

  #wait(line: Set<Waiter>): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        line.delete(waiter)
        this.#changed()
        reject(new DependencyUnavailableError('postgres', `no free connection within ${this.#maxWaitMs} ms`))
      }, this.#maxWaitMs)
      const waiter: Waiter = {
        admit: () => {
          clearTimeout(timer)
          line.delete(waiter)
          resolve()
        },
      }
      line.add(waiter)
      this.#changed()
    })
  }

  #changed(): void {
    this.#onChange({ inUse: this.#inUse, waiting: this.#waiting.size + this.#vitalWaiting.size })
  }
}
