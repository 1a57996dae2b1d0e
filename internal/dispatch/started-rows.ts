import type { Priority } from '../domain/notification.ts'
import type { Claimed } from '../port/notification-store.ts'
import { LaneQueue } from './ready-list.ts'

interface StartedRow {
  readonly priority: Priority
  readonly claimed: Claimed
  readonly leaseEndsAtMs: number
}

/** Rows of one channel that are or will be stored as claimed, and wait for a slot. */
export class StartedRows extends LaneQueue<StartedRow> {
  /** Their accept is under way. */
  promised = 0

  get waiting(): number {
    return this.promised + this.size
  }
}
