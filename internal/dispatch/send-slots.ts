/** Attempts that were sent and wait for their settle; beyond it nothing new is claimed. */
export const unsettledMax = 1_000
/** Sends for which a row may wait once it is claimed, and a reference of this process before it goes to the broker. */
export const startedRounds = 1
export const ownRounds = 4
/** Part of the slots whose next rows are claimed while they are taken, so that no slot waits for a claim. */
const aheadShare = 1 / 2
/** Part of the slots that are used while accepts are pressed: sends go on, and their queue stays in motion. */
const pressedShare = 1 / 8

/** How many sends of a channel may begin. Whoever takes slots gives every one of them back. */
export class SendSlots {
  readonly concurrency: number
  readonly #isAcceptPressed: () => boolean
  #free: number
  /** Notifications claimed and not settled. */
  unsettled = 0

  /** @param isAcceptPressed so many rows wait for their 202 that sends should leave them the processor. */
  constructor(concurrency: number, isAcceptPressed: () => boolean) {
    this.concurrency = concurrency
    this.#isAcceptPressed = isAcceptPressed
    this.#free = concurrency
  }

  /** Sends that may begin now. A send that ends asks again, so no slot stays empty for ever. */
  get open(): number {
    if (this.unsettled >= unsettledMax) return 0
    const held = this.#isAcceptPressed() ? this.concurrency - Math.ceil(this.concurrency * pressedShare) : 0
    return Math.max(0, this.#free - held)
  }

  /** Sends that may begin by the time a claim is answered. */
  get openSoon(): number {
    if (this.unsettled >= unsettledMax || this.#isAcceptPressed()) return this.open
    return Math.max(0, this.#free + Math.ceil(this.concurrency * aheadShare))
  }

  /**
   * What of the process itself may join those that wait: as much as finds a slot, and `rounds` times as many as there are
   * slots in all, which wait for so many sends.
   */
  roomBeside(waiting: number, rounds: number): number {
    const places = this.#free + rounds * this.concurrency - waiting
    return Math.max(0, Math.min(places, unsettledMax - this.unsettled))
  }

  take(count: number): void {
    this.#free -= count
  }

  giveBack(count: number): void {
    this.#free += count
  }
}
