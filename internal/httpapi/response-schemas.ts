import { z } from '@hono/zod-openapi'
import { attemptOutcomes } from '../domain/attempt.ts'
import { batchStatuses } from '../domain/batch.ts'
import { channels, priorities, statuses } from '../domain/notification.ts'
import { dependencies } from '../port/health.ts'
import { parkedExcerptMax } from '../port/parked.ts'

/**
 * What answers look like. They document; answers are built by resource.ts and held against these schemas by tests,
 * not at run time.
 */

const time = z.iso.datetime().openapi({ description: 'RFC 3339, UTC, milliseconds.' })
const count = z.int().min(0)
const fault = z.object({ code: z.string(), message: z.string() })

export const fieldErrorSchema = z
  .object({
    path: z.string().openapi({ example: 'notifications[3].recipient' }),
    code: z.string(),
    message: z.string(),
  })
  .openapi('FieldError')

const warnings = z
  .array(fieldErrorSchema)
  .optional()
  .openapi({ description: 'Fields that were ignored, with what may have been meant.' })

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().openapi({ description: 'Stable.', example: 'invalid_request' }),
    error: z.string().openapi({ description: 'The text of `detail` again.' }),
    requestId: z.string(),
    errors: z.array(fieldErrorSchema).optional(),
    warnings,
  })
  .openapi('Problem')

export const attemptSchema = z
  .object({
    number: z.int().min(1),
    generation: count,
    provider: z.string().optional().openapi({ description: 'What kind of way out it took.' }),
    connection: z.string().optional().openapi({ description: 'The connection it went over.' }),
    connector: z.string().optional().openapi({ description: "That connection's connector.", example: 'twilio-sms@1' }),
    rule: z
      .string()
      .optional()
      .openapi({ description: 'The rule of the connector that read the answer; left out for a default.' }),
    outcome: z.enum(attemptOutcomes),
    late: z.boolean().openapi({ description: 'The success came after the lease of the attempt was lost.' }),
    statusCode: z.int().optional(),
    error: fault.optional(),
    responseExcerpt: z.string().optional(),
    durationMs: z.number().min(0).optional(),
    startedAt: time.optional(),
    finishedAt: time,
    nextRetryAt: time.optional(),
  })
  .openapi('Attempt')

export const notificationSchema = z
  .object({
    id: z.uuid(),
    correlationId: z.string(),
    idempotencyKey: z.string().optional(),
    batchId: z.uuid().optional(),
    channel: z.enum(channels),
    priority: z.enum(priorities),
    recipient: z.string(),
    content: z.string(),
    title: z.string().optional(),
    html: z.string().optional(),
    data: z.record(z.string(), z.unknown()).optional(),
    segments: z
      .int()
      .min(1)
      .optional()
      .openapi({ description: 'Short messages that the content takes; only for SMS.' }),
    provider: z.string().optional().openapi({ description: 'The one connection that may send it.' }),
    status: z.enum(statuses),
    providerMessageId: z.string().optional(),
    attemptCount: count,
    maxRetries: z.int().min(1),
    generation: count,
    outcomeUnknown: z.boolean().openapi({ description: 'An attempt of this generation may have arrived unseen.' }),
    scheduledAt: time.optional(),
    nextRetryAt: time.optional().openapi({ description: 'Only between two attempts.' }),
    expiresAt: time,
    createdAt: time,
    updatedAt: time,
    tags: z.array(z.string()).optional(),
    metadata: z.record(z.string(), z.unknown()).optional(),
    lastError: fault.optional(),
  })
  .openapi('Notification', { description: 'Fields without a value are left out.' })

export const acceptedSchema = notificationSchema
  .extend({
    duplicate: z.literal(true).optional().openapi({ description: 'Stored before under the same key.' }),
    warnings,
  })
  .openapi('AcceptedNotification')

export const notificationWithAttemptsSchema = notificationSchema
  .extend({ attempts: z.array(attemptSchema).optional().openapi({ description: 'With `?include=attempts`.' }) })
  .openapi('NotificationWithAttempts')

export const acceptedBatchSchema = z
  .object({
    batchId: z.uuid().optional().openapi({ description: 'Left out when every item repeats a single request.' }),
    status: z.enum(batchStatuses),
    totalCount: z.int().min(1),
    notifications: z.array(acceptedSchema).openapi({ description: 'In the order given.' }),
    warning: z.string().optional().openapi({ description: 'Never sent; kept for older clients.' }),
    warnings,
  })
  .openapi('AcceptedBatch')

export const listAnswerSchema = z
  .object({
    data: z.array(notificationSchema),
    meta: z.union([
      z.object({ page: z.int(), pageSize: z.int(), total: count.optional() }),
      z.object({ next: z.string().nullable(), prev: z.string().nullable() }),
    ]),
  })
  .openapi('NotificationList')

export const attemptsAnswerSchema = z.object({ data: z.array(attemptSchema) }).openapi('AttemptList')

export const canceledSchema = z
  .object({ notificationId: z.uuid(), status: z.literal('CANCELED') })
  .openapi('CanceledNotification')

export const batchViewSchema = z
  .object({
    batchId: z.uuid(),
    totalCount: count,
    status: z.enum(batchStatuses),
    counts: z.array(z.object({ status: z.enum(statuses), count })),
  })
  .openapi('Batch')

const checks = z.partialRecord(z.enum(dependencies), z.enum(['ok', 'down']))

export const aliveSchema = z.object({ status: z.literal('ok') }).openapi('Alive')
export const readySchema = z.object({ status: z.enum(['ready', 'not_ready']), checks }).openapi('Ready')

const dispatch = z.enum(['normal', 'degraded']).openapi({
  description: 'Degraded: RabbitMQ or Redis is away, and what stands in for it inside the process is used.',
})

export const healthSchema = z
  .object({
    status: z.enum(['healthy', 'degraded', 'unhealthy']),
    version: z.string(),
    uptimeSeconds: count,
    role: z.string(),
    checks,
    dispatch,
    queues: z
      .array(z.object({ channel: z.enum(channels), priority: z.enum(priorities), waiting: count }))
      .nullable()
      .openapi({ description: 'Null while PostgreSQL does not answer.' }),
    oldestDueAgeSeconds: z.number().min(0).nullable(),
  })
  .openapi('Health')

export const heartbeatSchema = z
  .object({
    status: z.object({ status: z.enum(['pass', 'warn', 'fail']), detail: z.string().optional() }),
    workers: z.array(z.object({ id: z.string(), role: z.string(), lastSeenAt: time, inFlight: count })),
    dispatch,
    backlog: count.nullable().openapi({ description: 'Waiting notifications; null while PostgreSQL does not answer.' }),
    oldestDueAgeSeconds: z.number().min(0).nullable(),
  })
  .openapi('Heartbeat')

export const parkedListAnswerSchema = z
  .object({
    data: z
      .array(
        z.object({
          queue: z.string().optional(),
          reason: z.string().optional().openapi({ description: 'Why nobody could read it.' }),
          bytes: count,
          excerpt: z.string().max(parkedExcerptMax).openapi({ description: 'Its beginning, as text.' }),
        }),
      )
      .openapi({ description: 'Oldest first.' }),
    meta: z.object({ total: count }),
  })
  .openapi('ParkedList')

export const parkedDroppedSchema = z.object({ dropped: count }).openapi('ParkedDropped')
