import type { Status } from './notification.ts'
import { isFinished } from './status.ts'

export const batchStatuses = ['PROCESSING', 'PARTIAL_FAILURE', 'COMPLETED'] as const
export type BatchStatus = (typeof batchStatuses)[number]

export interface StatusCount {
  readonly status: Status
  readonly count: number
}

/** A batch as its rows make it: unfinished rows decide first, then failed ones; CANCELED counts as finished. */
export function batchStatus(counts: readonly StatusCount[]): BatchStatus {
  const present = counts.filter((one) => one.count > 0).map((one) => one.status)
  if (present.some((status) => !isFinished(status))) return 'PROCESSING'
  return present.includes('FAILED') ? 'PARTIAL_FAILURE' : 'COMPLETED'
}
