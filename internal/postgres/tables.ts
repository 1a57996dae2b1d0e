import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import type { AttemptOutcome } from '../domain/attempt.ts'
import type { Channel, FailureReason, JsonObject, Status } from '../domain/notification.ts'

/** The columns that the dynamic reads name; types as the driver hands them over. */
export interface Tables {
  notifications: {
    id: string
    tenant: string
    channel: Channel
    priority: number
    status: Status
    generation: number
    attempt_count: number
    outcome_unknown: boolean
    due_at: Date | null
    next_retry_at: Date | null
    expires_at: Date
    reason: FailureReason | null
    provider_message_id: string | null
    created_at: Date
    updated_at: Date
  }
  payloads: {
    id: string
    tenant: string
    batch_id: string | null
    correlation_id: string
    idempotency_key: string | null
    recipient: string
    content: string
    title: string | null
    html: string | null
    data: JsonObject | null
    provider: string | null
    tags: string[]
    metadata: JsonObject | null
    scheduled_at: Date | null
    max_retries: number
    created_at: Date
  }
  attempts: {
    notification_id: string
    number: number
    generation: number
    provider: string | null
    connection: string | null
    connector: string | null
    rule: string | null
    outcome: AttemptOutcome
    late: boolean
    status_code: number | null
    error_code: string | null
    error_message: string | null
    response_excerpt: string | null
    duration_ms: number | null
    next_retry_at: Date | null
    finished_at: Date
  }
}

/**
 * Builds queries and never runs them: it has no connection. What it compiles goes through PostgresPool, since the
 * builder's own drivers reserve a connection per query and lose the process with it when the server restarts.
 */
export const builder = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})
