import { setTimeout as delay } from 'node:timers/promises'
import { excess, measure, type Rest } from './memory.ts'
import { drain } from './recovery.ts'
import type { Replica } from './replica.ts'
import type { World } from './world.ts'

/** Kept connections end after some seconds without a request. */
const idleMs = 6_000
const looks = 5
const lookEveryMs = 4_000

/**
 * Invariant 11. Each engine is warmed up and left to rest before the first fault; at the end it holds no more than that
 * and a tenth. An engine that began anew meanwhile is warmed up just as long before it is compared.
 */
export class RestWatch {
  readonly #world: World
  readonly #warmUpMs: number
  readonly #first = new Map<Replica, Rest>()

  private constructor(world: World, warmUpMs: number) {
    this.#world = world
    this.#warmUpMs = warmUpMs
  }

  /** The client must be at work; it is again afterwards. */
  static async begin(world: World, warmUpMs: number): Promise<RestWatch> {
    const watch = new RestWatch(world, warmUpMs)
    await delay(warmUpMs)
    await world.load.stop()
    await drain(world, 'after the warm-up')
    await watch.#idle()
    for (const replica of world.replicas) watch.#first.set(replica, await measure(replica))
    world.load.start()
    return watch
  }

  /** Before the end, with the client at work. */
  async warmUpNew(): Promise<void> {
    const isNew = this.#world.replicas.some((replica) => this.#first.get(replica)?.pid !== replica.pid)
    if (isNew) await delay(this.#warmUpMs)
  }

  /** At the end, drained, with the client at rest. @returns pairs of first and last. */
  async judge(): Promise<readonly (readonly [first: Rest, last: Rest])[]> {
    await this.#idle()
    return Promise.all([...this.#first].map(([replica, first]) => this.#judgeOne(replica, first)))
  }

  async #judgeOne(replica: Replica, first: Rest): Promise<readonly [Rest, Rest]> {
    let last = await measure(replica)
    // What is only late gets the time to go; what leaks stays.
    for (let look = 1; look < looks && excess(first, last).length > 0; look++) {
      await delay(lookEveryMs)
      last = await measure(replica)
    }
    for (const text of excess(first, last)) {
      this.#world.wrong.push({ invariant: 11, text: `at rest process ${last.pid} has ${text}` })
    }
    return [first, last]
  }

  async #idle(): Promise<void> {
    this.#world.load.rest()
    await delay(idleMs)
  }
}
