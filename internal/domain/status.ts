import type { Status } from './notification.ts'

/**
 * The only moves a row may make. FAILED → SENT is a late success: the provider's yes arrived after the lease was lost.
 * ACCEPTED → SENDING does not exist: the scan makes a scheduled row QUEUED first.
 */
export const transitions = {
  ACCEPTED: ['QUEUED', 'FAILED', 'CANCELED'],
  QUEUED: ['SENDING', 'CANCELED', 'FAILED', 'SENT'],
  SENDING: ['SENT', 'QUEUED', 'FAILED'],
  SENT: [],
  FAILED: ['QUEUED', 'SENT'],
  CANCELED: [],
} as const satisfies Record<Status, readonly Status[]>

export function canMove(from: Status, to: Status): boolean {
  const allowed: readonly Status[] = transitions[from]
  return allowed.includes(to)
}

/** Finished rows have no `due_at`: nobody has to look at them again. */
export function isFinished(status: Status): boolean {
  return status === 'SENT' || status === 'FAILED' || status === 'CANCELED'
}
