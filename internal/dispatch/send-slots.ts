/** Attempts that were sent and wait for their settle; beyond it nothing new is claimed. */
export const unsettledMax = 1_000
/** Sends for which a row may wait once it is claimed, and a reference of this process before it goes to the broker. */
export const startedRounds = 1
export const ownRounds = 4
/** Part of the slots for which rows are claimed beside those that have a head start. */
const claimedShare = 1 / 2
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

  /** Sends of claimed rows that may begin now. A send that ends asks again, so no slot stays empty for ever. */
  get open(): number {
    const held = this.#isAcceptPressed() ? this.concurrency - Math.ceil(this.concurrency * pressedShare) : 0
    return Math.max(0, this.#free - held)
  }

  /**
   * How many may be claimed or wait claimed for a slot: as many as are open, none while too many results wait to be
   * stored. While rows with a head start wait for all slots, some more, or they would keep every one from those that must
   * be claimed.
   */
  claimable(started: number): number {
    if (this.unsettled >= unsettledMax) return 0
    return started === 0 ? this.open : Math.max(this.open, Math.ceil(this.concurrency * claimedShare))
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
