import { messageOf } from '../domain/errors.ts'
import type { Channel } from '../domain/notification.ts'
import type { Reference } from '../port/broker.ts'
import type { Clock } from '../port/clock.ts'
import type { Claimed, NotificationStore } from '../port/notification-store.ts'
import type { Logger } from '../port/telemetry.ts'

/** A lease as this process sees it. */
export interface Holding {
  readonly owner: string
  /** On the monotonic clock. */
  readonly leaseEndsAtMs: number
}

export interface ClaimDeps {
  readonly channel: Channel
  readonly store: Pick<NotificationStore, 'claim'>
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  readonly logger: Logger
  /** False: the worker has to stop. */
  readonly mayRepeat: () => boolean
  /** Ends the wait between two tries. */
  readonly stop: AbortSignal
}

/**
 * An answer that was lost leaves open whether the claim took effect, so the same call is repeated under the same owner
 * name: it then finds what is its own. The permits stay taken, or an outage would save up a burst.
 * @param lostBefore an earlier call under this name was left without an answer.
 * @returns null when the worker has to stop, or half the lease went by.
 */
export type ClaimUntilAnswered = (
  refs: readonly Reference[],
  holding: Holding,
  lostBefore: boolean,
) => Promise<readonly Claimed[] | null>

/** Between two tries of a claim that PostgreSQL did not answer. */
const claimAgainMs = 500

export function makeClaimUntilAnswered(
  { channel, store, clock, logger, mayRepeat, stop }: ClaimDeps,
  { leaseMs }: { readonly leaseMs: number },
): ClaimUntilAnswered {
  return async (refs, { owner, leaseEndsAtMs }, lostBefore) => {
    for (let isRepeat = lostBefore; ; isRepeat = true) {
      try {
        return await store.claim(refs, { owner, durationMs: leaseMs, isRepeat })
      } catch (error) {
        logger.warn('claim failed', { channel, error: messageOf(error) })
        if (!mayRepeat() || clock.monotonicMs() > leaseEndsAtMs - leaseMs / 2) return null
      }
      await clock.sleep(claimAgainMs, stop).catch(() => undefined)
    }
  }
}
