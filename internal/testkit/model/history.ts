import type { NotificationId } from '../../domain/notification.ts'
import type { ModelRow } from './row.ts'
import type { Result } from './steps.ts'

export type Verb =
  | 'accept'
  | 'claim'
  | 'settle'
  | 'late_success'
  | 'release_due'
  | 'expire'
  | 'sweep'
  | 'defer'
  | 'give_back'
  | 'cancel'
  | 'replay'

/** A statement changed a row. */
export interface Moved {
  readonly kind: 'moved'
  readonly atMs: number
  readonly verb: Verb
  readonly id: NotificationId
  readonly before: ModelRow | null
  readonly after: ModelRow
}

/** A worker told the database how an attempt ended; `row` is how the row stands after that. */
export interface Told {
  readonly kind: 'told'
  readonly atMs: number
  readonly verb: 'settle' | 'late_success'
  readonly id: NotificationId
  readonly result: Result
  readonly row: ModelRow
  /** The worker is told that its attempt was stored. */
  readonly answered: boolean
}

export type StoreEvent = Moved | Told
