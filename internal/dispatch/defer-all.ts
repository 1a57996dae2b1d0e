import { messageOf } from '../domain/errors.ts'
import type { Channel } from '../domain/notification.ts'
import type { NotificationStore } from '../port/notification-store.ts'
import type { Logger } from '../port/telemetry.ts'
import { chunk } from './publish.ts'
import type { ReadyReference } from './ready-list.ts'

export interface DeferDeps {
  readonly channel: Channel
  readonly store: Pick<NotificationStore, 'defer'>
  readonly logger: Logger
  readonly wakeScanIn: (ms: number) => void
}

/** Moves rows in the database and lets go of their messages, so that nobody holds one while waiting long. Never rejects. */
export type DeferAll = (items: readonly ReadyReference[], delayMs: number) => Promise<void>

const groupMax = 500

export function makeDeferAll({ channel, store, logger, wakeScanIn }: DeferDeps): DeferAll {
  return async (items, delayMs) => {
    for (const group of chunk(items, groupMax)) {
      try {
        await store.defer(group.map(({ ref }) => ({ ...ref, delayMs })))
      } catch (error) {
        // The rows stay due; the scan finds them.
        logger.warn('defer failed', { channel, error: messageOf(error) })
      }
      for (const item of group) item.envelope.done()
    }
    wakeScanIn(delayMs)
  }
}
