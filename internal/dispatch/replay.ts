import { NotFoundError, StateConflictError } from '../domain/errors.ts'
import type { Notification, NotificationId } from '../domain/notification.ts'
import type { NotificationStore } from '../port/notification-store.ts'
import type { Publish } from './publish.ts'

export interface ReplayCommand {
  readonly tenant: string
  readonly id: NotificationId
  /** Replay even though an earlier attempt may have arrived. */
  readonly force: boolean
}

/**
 * FAILED → QUEUED as a new generation with a new budget and a new time to live.
 * @throws NotFoundError; StateConflictError when it is not FAILED, or its outcome is unknown and `force` is not set.
 */
export type Replay = (command: ReplayCommand) => Promise<Notification>

export interface ReplayDeps {
  readonly store: Pick<NotificationStore, 'lookUpById' | 'replay'>
  readonly publish: Publish
}

export function makeReplay({ store, publish }: ReplayDeps): Replay {
  async function get(tenant: string, id: NotificationId): Promise<Notification> {
    const row = await store.lookUpById(tenant, id)
    if (row === null) throw new NotFoundError(`no notification ${id}`)
    return row
  }

  return async ({ tenant, id, force }) => {
    const seen = await get(tenant, id)
    const result = await store.replay({ tenant, id, generation: seen.generation, force })
    if (result.kind === 'not_found') throw new NotFoundError(`no notification ${id}`)
    if (result.kind === 'conflict') throw conflict(id, result)
    try {
      return await get(tenant, id) // as it was queued: a worker may have it a moment after the publish
    } finally {
      void publish([{ ...result.reference, ...result.lane }])
    }
  }
}

function conflict(
  id: NotificationId,
  { status, outcomeUnknown }: { readonly status: Notification['status']; readonly outcomeUnknown: boolean },
): StateConflictError {
  if (status === 'FAILED' && outcomeUnknown) {
    return new StateConflictError(
      `an earlier attempt of notification ${id} may have arrived; send {"force": true} to replay it all the same`,
    )
  }
  return new StateConflictError(`notification ${id} is ${status}; only FAILED can be replayed`)
}
