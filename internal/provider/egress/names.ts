import type { LookupAddress } from 'node:dns'
import type { Clock } from '../../port/clock.ts'

export type Lookup = (name: string) => Promise<readonly LookupAddress[]>

export interface NamesSettings {
  /** How long one answer is waited for, with the wait for its turn. */
  readonly timeoutMs: number
  /** How long an answer is used again; 0 = never. */
  readonly cacheMs: number
  /** Look-ups under way at once. Each holds a thread of the pool that files and cryptography use too. */
  readonly lookupsMax: number
  /** Names that wait for their turn, and answers kept. */
  readonly namesMax: number
}

export interface NamesDeps {
  readonly clock: Pick<Clock, 'monotonicMs' | 'timeout'>
  readonly lookup: Lookup
}

interface Asked {
  readonly name: string
  readonly answer: PromiseWithResolvers<readonly LookupAddress[]>
  /** Callers that still want the answer. */
  wanted: number
}

interface Answer {
  readonly addresses: readonly LookupAddress[]
  readonly untilMs: number
}

/** There was no answer in time; the code is the one that a resolver gives in that case. */
class NameTimeoutError extends Error {
  override readonly name = 'NameTimeoutError'
  readonly code = 'EAI_AGAIN'
}

/** Resolves names: one look-up for all who ask at once, few at a time, each asker with a deadline. */
export class Names {
  readonly #settings: NamesSettings
  readonly #clock: NamesDeps['clock']
  readonly #lookup: Lookup
  readonly #answers = new Map<string, Answer>()
  readonly #asked = new Map<string, Asked>()
  readonly #waiting: Asked[] = []
  #running = 0

  constructor(settings: NamesSettings, { clock, lookup }: NamesDeps) {
    this.#settings = settings
    this.#clock = clock
    this.#lookup = lookup
  }

  /**
   * All addresses of a name, in the order of the system.
   * @throws the error of the look-up (`ENOTFOUND`, …), or one with the code `EAI_AGAIN` when it took too long.
   */
  async resolve(name: string): Promise<readonly LookupAddress[]> {
    const known = this.#answers.get(name)
    if (known !== undefined && known.untilMs > this.#clock.monotonicMs()) return known.addresses
    const asked = this.#asked.get(name) ?? this.#ask(name)
    const limit = this.#clock.timeout(this.#settings.timeoutMs)
    const late = Promise.withResolvers<never>()
    const onLate = () =>
      late.reject(new NameTimeoutError(`the name was not resolved within ${this.#settings.timeoutMs} ms`))
    limit.signal.addEventListener('abort', onLate, { once: true })
    asked.wanted++
    try {
      return await Promise.race([asked.answer.promise, late.promise])
    } finally {
      asked.wanted--
      limit.clear()
    }
  }

  /** Asks anew the next time: its addresses could not be reached. */
  forget(name: string): void {
    this.#answers.delete(name)
  }

  #ask(name: string): Asked {
    if (this.#waiting.length >= this.#settings.namesMax)
      throw new NameTimeoutError('too many names wait to be resolved')
    const asked: Asked = { name, answer: Promise.withResolvers(), wanted: 0 }
    asked.answer.promise.catch(() => undefined) // all who asked may have gone
    this.#asked.set(name, asked)
    this.#waiting.push(asked)
    this.#next()
    return asked
  }

  #next(): void {
    while (this.#running < this.#settings.lookupsMax) {
      const asked = this.#waiting.shift()
      if (asked === undefined) return
      this.#running++
      void this.#run(asked)
    }
  }

  async #run(asked: Asked): Promise<void> {
    await Promise.resolve() // the caller is counted after it was put in the row
    try {
      if (asked.wanted === 0) throw new NameTimeoutError('nobody waits for the name any more')
      const addresses = await this.#lookup(asked.name)
      this.#keep(asked.name, addresses)
      asked.answer.resolve(addresses)
    } catch (error) {
      asked.answer.reject(error)
    } finally {
      // A look-up cannot be called off: it holds its place until it really ends, however few still wait for it.
      this.#asked.delete(asked.name)
      this.#running--
      this.#next()
    }
  }

  #keep(name: string, addresses: readonly LookupAddress[]): void {
    const { cacheMs, namesMax } = this.#settings
    if (cacheMs === 0) return
    this.#answers.delete(name)
    const [oldest] = this.#answers.keys()
    if (oldest !== undefined && this.#answers.size >= namesMax) this.#answers.delete(oldest)
    this.#answers.set(name, { addresses, untilMs: this.#clock.monotonicMs() + cacheMs })
  }
}
