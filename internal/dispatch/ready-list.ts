import type { Priority } from '../domain/notification.ts'
import type { Delivery, Reference } from '../port/broker.ts'
import { FairShare } from './fair-share.ts'

/** A delivery whose references are being worked off; acknowledged or given back with the last of them. */
export class OpenEnvelope {
  readonly #delivery: Delivery
  #left: number
  #giveBack = false

  constructor(delivery: Delivery) {
    this.#delivery = delivery
    this.#left = delivery.refs.length
  }

  /** The reference needs its message no more: settled, deferred, or found stale. */
  done(): void {
    this.#close()
  }

  /** Nobody has begun it: the whole message goes back, its finished references are stale copies by then. */
  giveBack(): void {
    this.#giveBack = true
    this.#close()
  }

  #close(): void {
    if (--this.#left > 0) return
    if (this.#giveBack) this.#delivery.requeue()
    else this.#delivery.ack()
  }
}

export interface ReadyReference {
  readonly ref: Reference
  readonly priority: Priority
  readonly envelope: OpenEnvelope
  readonly receivedAtMs: number
  /** Accepted by this very process; no message waits for it. */
  readonly isOwn: boolean
}

/** First in, first out; taking from the front costs no copy of the rest. */
class Fifo<Item> {
  #items: Item[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  shift(): Item | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#head++
    // Emptied, or mostly taken: what was taken holds a message and the socket read that it came in.
    const isEmpty = this.#head === this.#items.length
    if (isEmpty || (this.#head > 1_024 && this.#head * 2 > this.#items.length)) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}

/** What one channel is to do, served by the fair share of the priorities. */
export class LaneQueue<Item extends { readonly priority: Priority }> {
  readonly #isCounted: (item: Item) => boolean
  /** How many of the items are of the kind that is counted. */
  protected counted = 0
  readonly #lanes = {
    HIGH: new Fifo<Item>(),
    NORMAL: new Fifo<Item>(),
    LOW: new Fifo<Item>(),
  } as const satisfies Record<Priority, Fifo<Item>>
  readonly #turns = new FairShare()

  constructor(isCounted: (item: Item) => boolean) {
    this.#isCounted = isCounted
  }

  get size(): number {
    return this.#lanes.HIGH.size + this.#lanes.NORMAL.size + this.#lanes.LOW.size
  }

  push(item: Item): void {
    if (this.#isCounted(item)) this.counted++
    this.#lanes[item.priority].push(item)
  }

  take(count: number): Item[] {
    const taken: Item[] = []
    while (taken.length < count) {
      const priority = this.#turns.next((one) => this.#lanes[one].size > 0)
      if (priority === null) break
      const item = this.#lanes[priority].shift()
      if (item === undefined) continue
      if (this.#isCounted(item)) this.counted--
      taken.push(item)
    }
    return taken
  }
}

/** References that were received and not begun. */
export class ReadyList extends LaneQueue<ReadyReference> {
  constructor() {
    super((item) => !item.isOwn)
  }

  /** How many of them a message brought. */
  get fromBroker(): number {
    return this.counted
  }

  /** Passes by copies that came at `oldestMs` or before: the scan has published their rows anew. */
  takeFresh(count: number, oldestMs: number): ReadyReference[] {
    const fresh: ReadyReference[] = []
    while (fresh.length < count) {
      const taken = this.take(count - fresh.length)
      if (taken.length === 0) break
      for (const item of taken) {
        if (item.receivedAtMs > oldestMs) fresh.push(item)
        else item.envelope.done()
      }
    }
    return fresh
  }
}

/** Nobody has begun them. */
export function giveBack(items: readonly ReadyReference[]): void {
  for (const item of items) item.envelope.giveBack()
}
