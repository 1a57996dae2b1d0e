import { z } from 'zod'
import type { TryClass } from '../../port/outlet.ts'
import { duration, headerName, json, path, scalar, slug, statuses } from './schema-basics.ts'

/** How an answer is read: predicates, error rules, waits, learnt limits, receipts. */

/** What a rule makes of an answer; the engine gives each its meaning. */
const answerClasses = [
  'accepted',
  'transient',
  'rate_limited',
  'quota_exhausted',
  'permanent',
  'recipient_invalid',
  'opted_out',
  'config',
  'ambiguous',
] as const satisfies readonly TryClass[]
const errorClass = z.enum(answerClasses)

/** Without any other word: it must be there and not be null. Text and numbers are compared as text. */
const valueTests = {
  exists: z.boolean().optional(),
  equals: scalar.optional(),
  in: z.array(scalar).min(1).max(200).optional(),
  contains: z.string().min(1).max(256).optional(),
  startsWith: z.string().min(1).max(256).optional(),
  endsWith: z.string().min(1).max(256).optional(),
}
const valueTest = z.strictObject(valueTests)

/** `where` picks the first element of the array at `path` all of whose fields pass; `take` is the path inside it. */
const selection = {
  path,
  where: z.record(z.string().min(1).max(64), valueTest).optional(),
  take: path.optional(),
}

const bodyTest = z.strictObject({ ...selection, ...valueTests })
const textTest = z.strictObject({
  equals: z.string().max(1_024).optional(),
  contains: z.string().min(1).max(256).optional(),
  notContains: z.string().min(1).max(256).optional(),
})

const predicates = {
  status: statuses.optional(),
  body: z
    .union([bodyTest, z.array(bodyTest).min(1).max(10)])
    .optional()
    .describe('On the parsed JSON body; several must all hold.'),
  text: textTest.optional().describe('On the body as text, without blanks at its ends.'),
  headers: z.record(headerName, valueTest).optional(),
}
/** All that is given must hold. */
export const match = z.strictObject(predicates)

const unit = z.enum(['s', 'ms', 'epoch_s', 'epoch_ms'])

/** `default` counts only when no other source gave a wait; of the others the longest wins. */
const wait = z.strictObject({
  header: headerName.optional(),
  path: path.optional(),
  unit: unit.optional().describe('Without it a header is read as seconds or as an HTTP date, a path as seconds.'),
  default: duration.optional(),
})

export const errorRule = z.strictObject({
  name: slug.optional(),
  match,
  class: errorClass,
  retryAfter: z.array(wait).min(1).max(5).optional(),
  minDelay: duration.optional().describe('The next try is not earlier than this, whatever the back-off says.'),
  scope: z
    .enum(['connection', 'recipient'])
    .optional()
    .describe('Whom a wait holds back: everything over this connection, or only this recipient.'),
  hint: z
    .string()
    .max(300)
    .optional()
    .describe("What the operator reads when the provider's own message says nothing."),
})

const source = z.strictObject({
  ...selection,
  path: path.optional(),
  header: headerName.optional(),
  text: z.literal(true).optional().describe('The whole body as text.'),
})
const sources = z.union([source, z.array(source).min(1).max(5)])

export const describe = z.strictObject({ code: sources.optional(), message: sources.optional() })

export const messageId = z.strictObject({
  from: z.enum(['body', 'header']),
  path: path.optional(),
  name: headerName.optional(),
})

/** Headers in which the provider tells its own limits. */
export const throttle = z.strictObject({
  remaining: headerName.optional(),
  resetAfter: z.strictObject({ header: headerName, unit: unit.default('s') }).optional(),
  bucket: headerName.optional(),
})

/** What a receipt says of a message; null = nothing new. */
const receiptStatus = z
  .enum(['sent', 'delivered', 'undeliverable', 'bounced', 'complained', 'opened', 'clicked'])
  .nullable()

const secretTemplate = z.string().min(1).max(1_024)
const verify = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('twilio_sha1'), secret: secretTemplate }),
  z.strictObject({ kind: z.literal('sendgrid_ecdsa'), publicKey: secretTemplate }),
  z.strictObject({ kind: z.literal('standard_webhooks'), secret: secretTemplate }),
  z.strictObject({ kind: z.literal('token_header'), header: headerName, secret: secretTemplate }),
  z.strictObject({
    kind: z.literal('hmac_sha256'),
    header: headerName,
    secret: secretTemplate,
    encoding: z.enum(['hex', 'base64']).default('hex'),
    prefix: z.string().max(32).default(''),
  }),
])

export const receipts = z.strictObject({
  verify,
  encoding: z.enum(['json', 'form']).default('json'),
  items: path
    .nullable()
    .default(null)
    .describe('Path of the array of receipts in the body; null = the body is one receipt.'),
  id: z.strictObject({ path }),
  idIs: z
    .enum(['provider', 'ours'])
    .default('provider')
    .describe(
      "Whose id it is: the provider's, as `messageId` found it, or `message.id` that went out with the request.",
    ),
  status: z.strictObject({ path, map: z.record(z.string().min(1).max(64), receiptStatus) }),
  error: z
    .strictObject({
      path,
      rules: z
        .array(z.strictObject({ in: z.array(scalar).min(1).max(200), class: errorClass }))
        .min(1)
        .max(50),
    })
    .optional(),
})

const failures = [
  'connection_refused',
  'dns_failure',
  'connect_timeout',
  'tls_failure',
  'connection_reset',
  'timeout',
  'blocked',
] as const

/** An example of the provider's answer, or of its absence, and what must be made of it. */
export const fixture = z.strictObject({
  name: z.string().min(1).max(128),
  now: z.iso.datetime().optional().describe('Wall time of the answer, for dates and epochs in it.'),
  message: z
    .strictObject({
      to: z.string().max(1_024).optional(),
      content: z.string().max(65_536).optional(),
      title: z.string().max(4_096).nullable().optional(),
      html: z.string().max(65_536).nullable().optional(),
      data: z.record(z.string(), json).nullable().optional(),
      tags: z.array(z.string()).max(20).optional(),
      metadata: z.record(z.string(), json).nullable().optional(),
      priority: z.enum(['HIGH', 'NORMAL', 'LOW']).optional(),
    })
    .optional()
    .describe('Fields that differ from the example message.'),
  config: z.record(z.string(), json).optional().describe('Fields that differ from the examples of `config`.'),
  response: z
    .strictObject({
      status: z.int().min(200).max(599).optional(),
      headers: z.record(headerName, z.string().max(4_096)).optional(),
      body: json.optional().describe('Parsed JSON.'),
      text: z.string().max(65_536).optional().describe('The body as it stands, when it is not JSON.'),
      failure: z.enum(failures).optional().describe('Instead of an answer.'),
      written: z.boolean().optional().describe('Whether any byte of the request had left before the failure.'),
    })
    .optional(),
  expect: z.strictObject({
    class: errorClass.optional(),
    rule: z
      .union([slug, z.int().min(0), z.null()])
      .optional()
      .describe('Name or index of the error rule that must match; null = none of them.'),
    code: z.string().optional(),
    messageId: z.string().nullable().optional(),
    retryAfterMs: z.number().nullable().optional(),
    minDelayMs: z.number().nullable().optional(),
    scope: z.enum(['connection', 'recipient']).optional(),
    request: z
      .strictObject({
        method: z.string().optional(),
        url: z.string().optional(),
        headers: z.record(headerName, z.string()).optional(),
        body: json.optional().describe('The body before it is encoded.'),
        absent: z.array(path).optional().describe('Keys that must not be in the body (paths).'),
      })
      .optional()
      .describe('Parts of the request that must be so; objects may hold more than what is said here.'),
    limit: z
      .enum(['content', 'title', 'html', 'data', 'payload', 'segments'])
      .optional()
      .describe('The message breaks a limit in this field and is never sent.'),
  }),
})
