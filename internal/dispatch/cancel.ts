import { NotFoundError, StateConflictError } from '../domain/errors.ts'
import type { NotificationId } from '../domain/notification.ts'
import type { NotificationStore } from '../port/notification-store.ts'

/**
 * Withdraws a notification that no worker has claimed.
 * @throws NotFoundError, or StateConflictError once it is being sent or finished.
 */
export type Cancel = (tenant: string, id: NotificationId) => Promise<void>

export function makeCancel({ store }: { readonly store: Pick<NotificationStore, 'cancel'> }): Cancel {
  return async (tenant, id) => {
    const result = await store.cancel(tenant, id)
    if (result.kind === 'not_found') throw new NotFoundError(`no notification ${id}`)
    if (result.kind === 'conflict') {
      throw new StateConflictError(`notification ${id} is ${result.status}; only ACCEPTED and QUEUED can be canceled`)
    }
  }
}
