import type { z } from '@hono/zod-openapi'
import type { AcceptInput } from '../dispatch/accept.ts'
import type { FindRefusedLimit } from '../dispatch/accept-limits.ts'
import { batchItemsMax, idempotencyKeyMax } from '../domain/notification.ts'
import { checkForChannel, type PathOf } from './channel-rules.ts'
import type { Ctx } from './context.ts'
import { describe } from './describe.ts'
import type { Findings } from './findings.ts'
import { formatPath, type PathPart } from './json-guard.ts'
import { invalidField } from './problem.ts'
import { createSchema, headerExpected, replaySchema } from './schemas.ts'
import { normalise, parseFields, type Reading, reading, reportUnknown } from './validate.ts'

export interface RequestContext {
  /** Stands in for a missing correlationId. */
  readonly requestId: string
  /** Of the header; null when absent. */
  readonly idempotencyKey: string | null
  readonly nowMs: number
  readonly maxRetriesDefault: number
  /** Unknown fields are errors. */
  readonly strict: boolean
  readonly findRefusedLimit: FindRefusedLimit
}

const create = reading(createSchema, createSchema.partial(), ['channel', 'priority'])
const replay = reading(replaySchema, replaySchema)

type Fields = z.infer<typeof create.schema>

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One notification of a request, or null when something was found wrong with it (added to `findings`). */
export function readNotification(
  raw: unknown,
  at: readonly PathPart[],
  context: RequestContext,
  findings: Findings,
): AcceptInput | null {
  const before = findings.errorCount
  const valid = readFields(raw, create, at, context.strict, findings)
  if (valid === null) return null
  const path = (name: string) => formatPath([...at, name])
  const recipient = checkForChannel(valid, path, findings)
  checkTimes(valid, path, context.nowMs, findings)
  checkKeys(valid, path, context.idempotencyKey, findings)
  if (findings.errorCount > before) return null
  const { channel, content } = valid
  if (channel === undefined || recipient === null || content === undefined) return null
  const maxRetries = valid.maxRetries ?? 0
  const item: AcceptInput = {
    channel,
    recipient,
    content,
    title: valid.title ?? null,
    html: valid.html ?? null,
    data: valid.data ?? null,
    provider: valid.provider ?? null,
    priority: valid.priority ?? 'NORMAL',
    idempotencyKey: valid.idempotencyKey ?? context.idempotencyKey,
    correlationId: valid.correlationId ?? context.requestId,
    maxRetries: maxRetries > 0 ? maxRetries : context.maxRetriesDefault,
    scheduledAt: valid.scheduledAt ?? null,
    expiresAt: valid.expiresAt ?? null,
    tags: valid.tags ?? [],
    metadata: valid.metadata ?? null,
  }
  const refused = context.findRefusedLimit(item)
  if (refused === null) return item
  const { connection, field, limit, unit, measured } = refused
  const name = field === 'segments' || field === 'payload' ? 'content' : field
  findings.error(
    path(name),
    'too_long',
    `expected at most ${limit} ${unit} for connection ${connection}, found ${measured}`,
  )
  return null
}

/** The items of a batch body, each with its own findings. Null when the list itself is wrong. */
export function readBatch(body: unknown, context: RequestContext, findings: Findings): readonly AcceptInput[] | null {
  if (!isObject(body)) {
    findings.error('body', 'invalid_type', `expected an object with "notifications", found ${describe(body)}`)
    return null
  }
  const { notifications, ...others } = body
  reportUnknown(Object.keys(others), ['notifications'], [], context.strict, findings)
  const expected = `expected an array of 1 to ${batchItemsMax} notifications, found ${describe(notifications)}`
  if (!Array.isArray(notifications)) {
    findings.error('notifications', notifications === undefined ? 'required' : 'invalid_type', expected)
    return null
  }
  if (notifications.length === 0 || notifications.length > batchItemsMax) {
    findings.error('notifications', notifications.length === 0 ? 'empty' : 'too_many', expected)
    return null
  }
  const items = notifications.map((item: unknown, index) =>
    readNotification(item, ['notifications', index], context, findings),
  )
  return items.every((item) => item !== null) ? items : null
}

/** The body of a replay; absent = not forced. */
export function readReplay(body: unknown, strict: boolean, findings: Findings): boolean {
  if (body === undefined) return false
  return readFields(body, replay, [], strict, findings)?.force ?? false
}

export function readFields<T>(
  raw: unknown,
  how: Reading<T>,
  at: readonly PathPart[],
  strict: boolean,
  findings: Findings,
): T | null {
  if (!isObject(raw)) {
    const hint = at.length === 0 && Array.isArray(raw) ? '; lists go to /v1/notifications/batch' : ''
    findings.error(formatPath(at), 'invalid_type', `expected an object, found ${describe(raw)}${hint}`)
    return null
  }
  const { fields, unknown } = normalise(raw, how)
  reportUnknown(unknown, how.known, at, strict, findings)
  return parseFields(fields, how, at, findings)
}

function checkTimes({ scheduledAt, expiresAt }: Fields, path: PathOf, nowMs: number, findings: Findings): void {
  if (expiresAt === undefined) return
  const at = path('expiresAt')
  const found = `found ${expiresAt.toISOString()}`
  if (expiresAt.getTime() <= nowMs) {
    findings.error(at, 'out_of_range', `expected a time after now (${new Date(nowMs).toISOString()}), ${found}`)
  } else if (scheduledAt !== undefined && expiresAt <= scheduledAt) {
    findings.error(at, 'out_of_range', `expected a time after scheduledAt (${scheduledAt.toISOString()}), ${found}`)
  }
}

function checkKeys({ idempotencyKey }: Fields, path: PathOf, header: string | null, findings: Findings): void {
  if (header === null || idempotencyKey === undefined || header === idempotencyKey) return
  findings.error(
    path('idempotencyKey'),
    'conflict',
    'expected the same key as in the header Idempotency-Key, found another one',
  )
}

/** The `Idempotency-Key` header; null when absent or empty. @throws HttpProblem 400 */
export function idempotencyHeader(c: Ctx): string | null {
  const value = c.req.header('idempotency-key')?.trim() ?? ''
  if (value === '') return null
  if (value.length <= idempotencyKeyMax && /^[\x20-\x7e]+$/.test(value)) return value
  throw invalidField('Idempotency-Key', 'invalid_header', `expected ${headerExpected}, found ${describe(value)}`)
}

/** `Prefer: handling=strict`: unknown fields are errors. */
export function prefersStrict(c: Ctx): boolean {
  return /(^|[,;\s])handling\s*=\s*"?strict"?\s*($|[,;])/i.test(c.req.header('prefer') ?? '')
}
