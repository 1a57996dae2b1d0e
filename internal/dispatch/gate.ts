import { OverloadedError, RejectedDataError } from '../domain/errors.ts'
import type { Clock } from '../port/clock.ts'

export interface GateSettings {
  readonly clock: Pick<Clock, 'endOfTurn' | 'monotonicMs'>
  /** Most weight in one flush; an item heavier than it goes alone. */
  readonly maxWeight: number
  /** Flushes under way at the same time. */
  readonly maxInFlight: number
  /**
   * A further flush starts beside one under way only for at least this weight: before, larger groups cost less than
   * another flush gains. Default 1.
   */
  readonly widenAt?: number
  /** Most weight that may wait for a flush; beyond it items are refused with {@link OverloadedError}. */
  readonly maxWaiting: number
  /** Items that nobody flushed for so long are refused: whoever waits for them has given up by then. */
  readonly maxWaitMs?: number
  /** Told of every change. */
  readonly watch?: GateWatch
}

export interface GateWatch {
  /** Weight that waits for a flush. */
  waiting(weight: number): void
  /** Weight that was turned away. */
  refused(weight: number): void
}

interface Waiting<Item, Result> {
  readonly item: Item
  readonly weight: number
  readonly sinceMs: number
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

/**
 * Gathers calls into groups without any timer: a call is flushed at once when a flush may start, and what arrives
 * while flushes are under way is the next group. Idle costs no latency, load makes large groups by itself.
 *
 * A group that PostgreSQL refuses for its data is split in halves until the bad item stands alone, so that one
 * caller's bad row never fails its neighbours.
 * @param flush answers with one result per item, in order.
 */
export function makeGate<Item, Result>(
  flush: (items: readonly Item[]) => Promise<readonly Result[]>,
  settings: GateSettings,
  weigh: (item: Item) => number = () => 1,
): (item: Item) => Promise<Result> {
  const { clock } = settings
  let waiting: Waiting<Item, Result>[] = []
  let waitingWeight = 0
  let inFlight = 0
  let pumpIsDue = false

  function dropLate(): void {
    if (settings.maxWaitMs === undefined) return
    const oldestMs = clock.monotonicMs() - settings.maxWaitMs
    while (waiting[0] !== undefined && waiting[0].sinceMs < oldestMs) {
      const late = waiting.shift()
      if (late === undefined) return
      waitingWeight -= late.weight
      settings.watch?.refused(late.weight)
      late.reject(new OverloadedError('waited too long for its turn'))
    }
  }

  function takeGroup(): Waiting<Item, Result>[] {
    let weight = 0
    let count = 0
    for (const one of waiting) {
      if (count > 0 && weight + one.weight > settings.maxWeight) break
      weight += one.weight
      count++
    }
    const group = waiting.slice(0, count)
    waiting = waiting.slice(count)
    waitingWeight -= weight
    return group
  }

  async function settleGroup(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await flush(group.map((one) => one.item))
      group.forEach((one, index) => {
        const result = results[index]
        if (result === undefined) one.reject(new Error(`flush of ${group.length} items gave ${results.length} results`))
        else one.resolve(result)
      })
    } catch (error) {
      if (error instanceof RejectedDataError && group.length > 1) {
        const middle = group.length >> 1
        await settleGroup(group.slice(0, middle))
        await settleGroup(group.slice(middle))
        return
      }
      for (const one of group) one.reject(error)
    }
  }

  function mayFlush(): boolean {
    if (waiting.length === 0 || inFlight >= settings.maxInFlight) return false
    return inFlight === 0 || waitingWeight >= (settings.widenAt ?? 1)
  }

  function pump(): void {
    dropLate()
    while (mayFlush()) {
      inFlight++
      void settleGroup(takeGroup()).finally(() => {
        inFlight--
        pumpSoon()
      })
    }
    settings.watch?.waiting(waitingWeight)
  }

  /**
   * Once in this turn of the event loop, after all that its sockets hold was read: a flush for the first of sixty requests
   * that came in together would let the other fifty-nine wait for the next. A turn without work takes microseconds.
   */
  function pumpSoon(): void {
    if (pumpIsDue) return
    pumpIsDue = true
    clock.endOfTurn(() => {
      pumpIsDue = false
      pump()
    })
  }

  return (item) =>
    new Promise<Result>((resolve, reject) => {
      const weight = weigh(item)
      if (waitingWeight > 0 && waitingWeight + weight > settings.maxWaiting) {
        settings.watch?.refused(weight)
        reject(new OverloadedError(`${waitingWeight} items are waiting already, the bound is ${settings.maxWaiting}`))
        return
      }
      waiting.push({ item, weight, sinceMs: clock.monotonicMs(), resolve, reject })
      waitingWeight += weight
      pumpSoon()
    })
}
