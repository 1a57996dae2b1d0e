import { type Priority, priorities } from '../domain/notification.ts'

/** With work waiting everywhere, lanes of a channel are served about 6 : 3 : 1; an empty lane's share goes to the others. */
export const priorityWeights = { HIGH: 6, NORMAL: 3, LOW: 1 } as const satisfies Record<Priority, number>

/**
 * Picks the next priority by smooth weighted round-robin: every waiting lane earns its weight, the richest is served
 * and pays what all earned. High work goes first, low work always moves, and no lane saves up while it is empty (what it
 * owes it goes on owing, or a lane that comes and goes would be served again and again).
 */
export class FairShare {
  readonly #credit: Record<Priority, number> = { HIGH: 0, NORMAL: 0, LOW: 0 }

  /** @returns null when `waits` says no for every priority. */
  next(waits: (priority: Priority) => boolean): Priority | null {
    let best: Priority | null = null
    let earned = 0
    for (const priority of priorities) {
      if (!waits(priority)) {
        this.#credit[priority] = Math.min(0, this.#credit[priority])
        continue
      }
      this.#credit[priority] += priorityWeights[priority]
      earned += priorityWeights[priority]
      if (best === null || this.#credit[priority] > this.#credit[best]) best = priority
    }
    if (best !== null) this.#credit[best] -= earned
    return best
  }
}

/**
 * Divides `total` among lanes that want `wanted` each, by the same rule. Each gets at most what it wants.
 * @param turns kept from one division to the next: dividing two at a time must come out like dividing twenty.
 */
export function shareByPriority(
  turns: FairShare,
  total: number,
  wanted: Readonly<Record<Priority, number>>,
): Readonly<Record<Priority, number>> {
  const share: Record<Priority, number> = { HIGH: 0, NORMAL: 0, LOW: 0 }
  for (let left = total; left > 0; left--) {
    const priority = turns.next((one) => share[one] < wanted[one])
    if (priority === null) break
    share[priority]++
  }
  return share
}
