import type { Channel, NewNotification, NotificationId } from '../domain/notification.ts'
import type { Clock } from '../port/clock.ts'
import type { Claimed, HeadStart } from '../port/notification-store.ts'
import type { ChannelWorker } from './channel-worker.ts'

/**
 * The worker of this process, as far as accept needs it. A row that it can send soon is stored as claimed: the step from
 * accept to send then needs neither a message nor a claim, and what was accepted is still in memory.
 */
export interface Starter {
  /**
   * Takes up the first of the items that are due; each start must be ended by one of its two methods.
   * @returns null when others come first, or the pace must be asked.
   */
  reserve(items: readonly NewNotification[]): Start | null
}

export interface Start extends HeadStart {
  /** Sends what was stored as claimed. */
  begin(claimed: readonly Claimed[]): void
  /** The answer was lost: finds out what is stored, and sends it. */
  findOut(): void
}

export interface StartsDeps {
  readonly workers: Readonly<Record<Channel, Pick<ChannelWorker, 'reserve' | 'begin' | 'findOut'>>>
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Names one call of this process in its lease. */
  readonly newOwner: () => string
  readonly leaseMs: number
}

export interface Starts extends Starter {
  /** Resolves when no start is open any more. */
  ended(): Promise<void>
}

export function makeStarts({ workers, clock, newOwner, leaseMs }: StartsDeps): Starts {
  const open = new Set<Promise<void>>()

  function pick(items: readonly NewNotification[]): ReadonlyMap<Channel, readonly NotificationId[]> {
    const picked = new Map<Channel, readonly NotificationId[]>()
    for (const channel of new Set(items.map((item) => item.channel))) {
      const due = items.filter((item) => item.channel === channel && item.scheduledAt === null)
      const count = due.length === 0 ? 0 : workers[channel].reserve(due.length)
      if (count > 0)
        picked.set(
          channel,
          due.slice(0, count).map((item) => item.id),
        )
    }
    return picked
  }

  function reserve(items: readonly NewNotification[]): Start | null {
    const picked = pick(items)
    if (picked.size === 0) return null
    const { promise, resolve } = Promise.withResolvers<void>()
    open.add(promise)
    const end = () => {
      open.delete(promise)
      resolve()
    }
    const lease = { owner: newOwner(), durationMs: leaseMs }
    const leaseEndsAtMs = clock.monotonicMs() + leaseMs
    return {
      lease,
      ids: new Set([...picked.values()].flat()),
      begin(claimed) {
        for (const [channel, { length }] of picked) {
          const own = claimed.filter((one) => one.channel === channel)
          workers[channel].begin(length, own, leaseEndsAtMs)
        }
        end()
      },
      findOut() {
        const found = [...picked].map(([channel, ids]) => {
          const refs = ids.map((id) => ({ id, leaseToken: 0 }))
          return workers[channel].findOut(refs, { owner: lease.owner, leaseEndsAtMs })
        })
        void Promise.all(found).finally(end)
      },
    }
  }

  async function ended(): Promise<void> {
    while (open.size > 0) await Promise.all(open)
  }

  return { reserve, ended }
}
