import { messageOf } from '../domain/errors.ts'
import type { Reference } from '../port/broker.ts'
import type { Clock } from '../port/clock.ts'
import type { NotificationStore } from '../port/notification-store.ts'
import type { Logger } from '../port/telemetry.ts'
import { chunk } from './publish.ts'

export interface HandBackDeps {
  readonly store: Pick<NotificationStore, 'defer'>
  readonly logger: Pick<Logger, 'info' | 'warn'>
  readonly clock: Pick<Clock, 'monotonicMs'>
}

const groupMax = 1_000
/** Part of a stop, whose budget serves others too. */
const handBackMaxMs = 3_000

/**
 * Makes the rows of references due now that go down with this process. Otherwise they would wait for the time at which
 * published rows are looked at again, which doubles with every publish that came to nothing. Never rejects: what cannot
 * be written waits for just that.
 */
export function makeHandBack({ store, logger, clock }: HandBackDeps): (refs: readonly Reference[]) => Promise<void> {
  return async (refs) => {
    const endMs = clock.monotonicMs() + handBackMaxMs
    let moved = 0
    try {
      for (const group of chunk(refs, groupMax)) {
        if (clock.monotonicMs() >= endMs) throw new Error(`not done within ${handBackMaxMs / 1_000} s`)
        moved += (await store.defer(group.map((ref) => ({ ...ref, delayMs: 0 })))).length
      }
      logger.info('what waited in this process was made due for the next', { references: refs.length, rows: moved })
    } catch (error) {
      const fields = { references: refs.length, rows: moved, error: messageOf(error) }
      logger.warn('not all that waited in this process could be made due; it is looked at again in its time', fields)
    }
  }
}
