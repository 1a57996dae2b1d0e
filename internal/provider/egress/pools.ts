import { Dispatcher, errors, type Pool } from 'undici'

export interface PoolsSettings {
  /** Pools kept; beyond them those are closed that were not used for longest, idle ones first. */
  readonly originsMax: number
}

/** How many of the pools used longest ago are asked whether they are idle. */
const lookedAtMax = 32

/**
 * One pool for each origin, a bounded number of them. Not undici's agent, which (8.12) turns origins away beyond its
 * bound, and forgets its pools at `close`, so that `destroy` cuts nothing any more.
 */
export class OriginPools extends Dispatcher {
  readonly #open: (origin: URL) => Pool
  readonly #originsMax: number
  /** By origin, in the order of their last use. */
  readonly #pools = new Map<string, Pool>()
  /** Taken out, but not done with their last requests. */
  readonly #leaving = new Set<Pool>()
  #closed = false

  constructor(open: (origin: URL) => Pool, { originsMax }: PoolsSettings) {
    super()
    this.#open = open
    this.#originsMax = originsMax
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#poolOf(String(options.origin)).dispatch(options, handler)
  }

  /** Waits for every request under way; new ones are turned away. */
  override async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#all.filter((pool) => !pool.destroyed).map((pool) => pool.close()))
  }

  /** Cuts every connection. */
  override async destroy(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#all.map((pool) => pool.destroy()))
  }

  get #all(): readonly Pool[] {
    return [...this.#pools.values(), ...this.#leaving]
  }

  #poolOf(origin: string): Pool {
    if (this.#closed) throw new errors.ClientClosedError()
    const known = this.#pools.get(origin)
    if (known !== undefined) {
      this.#pools.delete(origin)
      this.#pools.set(origin, known)
      return known
    }
    const url = URL.parse(origin)
    if (url === null) throw new errors.InvalidArgumentError('the origin is no URL')
    if (url.origin !== origin && url.origin !== 'null') return this.#poolOf(url.origin)
    const pool = this.#open(url)
    if (this.#pools.size >= this.#originsMax) this.#retireOne()
    this.#pools.set(origin, pool)
    return pool
  }

  #retireOne(): void {
    const [origin, pool] = this.#retirable() ?? []
    if (origin === undefined || pool === undefined) return
    this.#pools.delete(origin)
    this.#leaving.add(pool)
    void pool
      .close()
      .catch(() => undefined)
      .finally(() => this.#leaving.delete(pool))
  }

  /** The idle one that was used longest ago; when many are busy, the busy one that was. */
  #retirable(): readonly [string, Pool] | undefined {
    let lookedAt = 0
    for (const entry of this.#pools) {
      if (entry[1].stats.size === 0) return entry
      if (++lookedAt === lookedAtMax) break
    }
    return this.#pools.entries().next().value
  }
}
