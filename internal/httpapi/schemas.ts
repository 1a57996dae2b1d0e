import { z } from '@hono/zod-openapi'
import { connectionIdPattern } from '../domain/connection.ts'
import {
  batchItemsMax,
  type Channel,
  channels,
  contentMax,
  correlationIdMax,
  dataBytesMax,
  htmlBytesMax,
  idempotencyKeyMax,
  type JsonObject,
  maxRetriesMax,
  metadataBytesMax,
  priorities,
  recipientBytesMax,
  statuses,
  tagLengthMax,
  tagsMax,
  titleMax,
} from '../domain/notification.ts'
import { parkedLimitMax } from '../port/parked.ts'
import { describe, describeWord, fitsCharacters } from './describe.ts'
import { parseTimestamp, timestampExpected } from './timestamp.ts'

/**
 * What clients may send: these schemas validate requests and become the OpenAPI document. Values arrive here trimmed,
 * with `""` and null taken out of optional fields and words in upper case (validate.ts).
 */

interface RawIssue {
  readonly input?: unknown
}

/** Every message of a field reads the same: what was expected, what was found. */
export function says(
  expected: string,
  show: (value: unknown) => string = describe,
): { error: (issue: RawIssue) => string } {
  return { error: (issue) => `expected ${expected}, found ${show(issue.input)}` }
}

/** Lengths count Unicode code points. */
export function text(max: number, expected = `a string of 1 to ${max} characters`) {
  return z
    .string(says(expected))
    .refine((value) => value !== '', { ...says(expected), params: { code: 'empty' }, abort: true })
    .refine((value) => fitsCharacters(value, max), { ...says(expected), params: { code: 'too_long' } })
    .openapi({ minLength: 1, maxLength: max })
}

export function word<const T extends readonly [string, ...string[]]>(words: T) {
  return z.enum(words, says(`one of ${words.join(', ')}`, describeWord))
}

function timestamp(description: string) {
  return z
    .string(says(timestampExpected))
    .transform((value, ctx) => {
      const date = parseTimestamp(value)
      if (date !== null) return date
      const message = `expected ${timestampExpected}, found ${describeWord(value)}`
      ctx.addIssue({ code: 'custom', message, params: { code: 'invalid_time' } })
      return z.NEVER
    })
    .openapi({ type: 'string', format: 'date-time', description })
}

/** A whole number in a query string. */
function wholeNumber(min: number, max: number, description: string) {
  return z
    .string()
    .transform((value, ctx) => {
      const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
      if (number >= min && number <= max) return number
      const message = `expected a whole number from ${min} to ${max}, found ${describeWord(value)}`
      ctx.addIssue({ code: 'custom', message, params: { code: 'out_of_range' } })
      return z.NEVER
    })
    .openapi({ type: 'integer', minimum: min, maximum: max, description })
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

function uuid(description: string) {
  const expected = 'a UUID of 36 characters'
  return z
    .string(says(expected))
    .refine((value) => uuidPattern.test(value), { ...says(expected), params: { code: 'invalid_id' } })
    .transform((value) => value.toLowerCase())
    .openapi({ type: 'string', format: 'uuid', description })
}

export const notificationIdSchema = uuid('Id of the notification.')
export const batchIdSchema = uuid('Id of the batch.')

/** `160 (SMS), 240 (PUSH) or 10000 (EMAIL)`. */
function perChannel(limits: Readonly<Record<Channel, number | null>>): string {
  const parts = channels.flatMap((channel) => (limits[channel] === null ? [] : `${limits[channel]} (${channel})`))
  return `${parts.slice(0, -1).join(', ')} or ${parts.at(-1)}`
}

const contentExpected = `a string of 1 to ${perChannel(contentMax)} characters`
const recipientCharactersMax = Math.max(...Object.values(recipientBytesMax))

const htmlExpected = `a string of 1 to ${htmlBytesMax} bytes`

const html = z
  .string(says(htmlExpected))
  .refine((value) => Buffer.byteLength(value) <= htmlBytesMax, {
    error: (issue: RawIssue) => `expected ${htmlExpected}, found ${Buffer.byteLength(String(issue.input))}`,
    params: { code: 'too_long' },
  })
  .openapi({
    maxLength: htmlBytesMax,
    description: `Only for EMAIL: the content as HTML, beside the plain one. At most ${htmlBytesMax} bytes.`,
  })

const connectionExpected = "the name of a connection: 1 to 63 of a-z, 0-9 and '-', the first one no '-'"

export const connectionNameSchema = z
  .string(says(connectionExpected))
  .regex(connectionIdPattern, { ...says(connectionExpected), abort: true })
  .openapi({ maxLength: 63 })

const provider = connectionNameSchema.openapi({
  description: 'Send over this connection and no other. Whether there is one of that name is asked when it is sent.',
})

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const metadataExpected = `an object of at most ${metadataBytesMax} bytes of JSON`

const data = z.custom<JsonObject>(isJsonObject, { ...says('an object'), params: { code: 'invalid_type' } }).openapi({
  type: 'object',
  additionalProperties: true,
  description: `What the target's own format takes besides the texts. At most ${perChannel(dataBytesMax)} bytes of JSON; title and content count too for PUSH.`,
})

const metadata = z
  .custom<JsonObject>(isJsonObject, { ...says(metadataExpected), params: { code: 'invalid_type' }, abort: true })
  .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= metadataBytesMax, {
    error: (issue: RawIssue) =>
      `expected ${metadataExpected}, found ${Buffer.byteLength(JSON.stringify(issue.input))} bytes`,
    params: { code: 'too_long' },
  })
  .openapi({
    type: 'object',
    additionalProperties: true,
    description: `Kept with the notification; ${metadataExpected}.`,
  })

export const createSchema = z
  .object({
    channel: word(channels).openapi({ description: 'How it leaves. Read in any case.' }),
    recipient: text(recipientCharactersMax).openapi({
      description: `SMS: a phone number with country code, kept in its E.164 form. EMAIL: one address. Else what the channel knows as an address. At most ${perChannel(recipientBytesMax)} bytes.`,
    }),
    content: text(Math.max(...Object.values(contentMax)), contentExpected).openapi({
      description: `At most ${perChannel(contentMax)} characters.`,
    }),
    title: text(titleMax).optional().openapi({ description: 'Subject, headline or summary.' }),
    html: html.optional(),
    data: data.optional(),
    provider: provider.optional(),
    priority: word(priorities)
      .optional()
      .openapi({ default: 'NORMAL', description: 'Waiting HIGH goes first; LOW still moves. Read in any case.' }),
    idempotencyKey: text(idempotencyKeyMax).optional().openapi({
      description:
        'A repeat with the same key and body stores nothing new. May come as header Idempotency-Key instead.',
    }),
    correlationId: text(correlationIdMax)
      .optional()
      .openapi({ description: 'Found again in logs and answers. Default: X-Request-ID.' }),
    maxRetries: z
      .int(says(`a whole number up to ${maxRetriesMax}, or null`))
      .max(maxRetriesMax, says(`a whole number up to ${maxRetriesMax}, or null`))
      .nullish()
      .openapi({ description: 'Attempts in all, the first included. Null, 0 and below: the default of the engine.' }),
    scheduledAt: timestamp('When to send; past = now.').optional(),
    expiresAt: timestamp('When to give up; default 24 h after due.').optional(),
    tags: z
      .array(text(tagLengthMax), says(`an array of at most ${tagsMax} tags`))
      .max(tagsMax, says(`at most ${tagsMax} tags`))
      .optional(),
    metadata: metadata.optional(),
  })
  .openapi('CreateNotification', {
    example: { channel: 'SMS', recipient: '+905551234567', content: 'Your order is on its way', priority: 'HIGH' },
  })

export const batchSchema = z
  .object({ notifications: z.array(createSchema).min(1).max(batchItemsMax) })
  .openapi('CreateBatch', { description: 'Stored whole or not at all.' })

export const replaySchema = z
  .object({
    force: z
      .boolean(says('true or false'))
      .optional()
      .openapi({ default: false, description: 'Needed when an earlier attempt may have arrived.' }),
  })
  .openapi('Replay')

export const totalKinds = ['exact', 'estimate', 'none'] as const
export const pageSizeDefault = 50
const pageMax = 1_000_000
const pageSizeMax = 100

/** Query of `GET /v1/notifications`. */
export const listSchema = z.object({
  status: word(statuses).optional().openapi({ description: 'Read in any case.' }),
  channel: word(channels).optional().openapi({ description: 'Read in any case.' }),
  from: timestamp('Created at or after.').optional(),
  to: timestamp('Created at or before.').optional(),
  batchId: batchIdSchema.optional(),
  correlationId: text(correlationIdMax).optional(),
  recipient: text(recipientCharactersMax).optional().openapi({ description: 'As it is kept.' }),
  tag: text(tagLengthMax).optional(),
  page: wholeNumber(1, pageMax, 'Page by number, from 1 (the default kind).').optional(),
  pageSize: wholeNumber(1, pageSizeMax, `Rows per page; default ${pageSizeDefault}.`).optional(),
  total: z
    .enum(totalKinds, says(`one of ${totalKinds.join(', ')}`, describeWord))
    .optional()
    .openapi({ default: 'exact', description: 'How to count `meta.total`; only with page and pageSize.' }),
  limit: wholeNumber(1, pageSizeMax, `Rows per page by cursor; default ${pageSizeDefault}.`).optional(),
  cursor: z.string().optional().openapi({
    description: 'Page by cursor: empty for the first page, then `meta.next` or `meta.prev` of an answer.',
  }),
})

/** Query of `GET /v1/notifications/:id`. */
export const getSchema = z.object({
  include: z
    .enum(['attempts'], says('attempts', describeWord))
    .optional()
    .openapi({ description: 'Adds the attempts to the answer.' }),
})

/** Query of `GET /v1/parked`. */
export const parkedListSchema = z.object({
  limit: wholeNumber(1, parkedLimitMax, `How many to show; default ${parkedLimitMax}.`).optional(),
})

/** Query of `DELETE /v1/parked`: one of the two. */
export const parkedDropSchema = z.object({
  count: wholeNumber(1, parkedLimitMax, 'How many to drop, oldest first.').optional(),
  all: z.enum(['true'], says('true', describeWord)).optional().openapi({ description: 'Drops every one.' }),
})

export const headerExpected = `1 to ${idempotencyKeyMax} printable ASCII characters`

/** Documentation of the headers that creating reads; validate.ts reads them. */
export const createHeaders = z.object({
  'Idempotency-Key': z
    .string()
    .max(idempotencyKeyMax)
    .optional()
    .openapi({ description: 'As the field idempotencyKey.' }),
})
export const commonHeaders = z.object({
  'X-Request-ID': z
    .string()
    .max(128)
    .optional()
    .openapi({ description: 'Echoed; made when missing or not printable ASCII.' }),
  Prefer: z.string().optional().openapi({ description: '`handling=strict` makes unknown fields an error.' }),
})
