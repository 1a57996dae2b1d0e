import type { JsonObject } from '../../domain/notification.ts'

/** What a connector sends: the fields that templates see as `message`. */
export interface ConnectorMessage {
  readonly id: string
  /** `<id>:<generation>`: the same for every attempt under which a receiver can drop a repeat. */
  readonly key: string
  readonly to: string
  readonly content: string
  readonly title: string | null
  readonly html: string | null
  readonly data: JsonObject | null
  readonly tags: readonly string[]
  readonly metadata: JsonObject | null
  /** HIGH, NORMAL or LOW. */
  readonly priority: string
  readonly channel: string
  readonly correlationId: string
  /** From 1. */
  readonly attempt: number
  /** ISO 8601. */
  readonly createdAt: string
}
