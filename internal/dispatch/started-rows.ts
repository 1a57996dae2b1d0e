import type { Priority } from '../domain/notification.ts'
import type { Claimed } from '../port/notification-store.ts'
import { LaneQueue, type OpenEnvelope } from './ready-list.ts'

export interface StartedRow {
  readonly priority: Priority
  readonly claimed: Claimed
  readonly leaseEndsAtMs: number
  /** Null for a head start: no message told of it. */
  readonly envelope: OpenEnvelope | null
}

/** Rows of one channel that are claimed, or will be stored as claimed, and wait for a slot. */
export class StartedRows extends LaneQueue<StartedRow> {
  /** To be stored as claimed; their accept is under way. */
  promised = 0

  constructor() {
    super((row) => row.envelope !== null)
  }

  /** How many of them a claim has won. */
  get fromClaims(): number {
    return this.counted
  }

  get waiting(): number {
    return this.promised + this.size
  }
}
