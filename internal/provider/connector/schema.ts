import { z } from 'zod'
import { describe, errorRule, fixture, match, messageId, receipts, throttle } from './schema-answer.ts'
import { duration, headerName, json, scalar, slug, template, variableName } from './schema-basics.ts'

export const connectorSchemaId = 'connector/v1'
export const connectorChannels = ['sms', 'email', 'push', 'chat', 'webhook', 'incident'] as const

/** One thing an operator fills in for a connection. */
const configField = z.strictObject({
  type: z
    .enum(['string', 'url', 'integer', 'number', 'boolean', 'strings', 'json'])
    .describe(
      '`strings`: a list of texts (a single text is a list of one). `json`: JSON of whatever kind, also given as text that holds it.',
    ),
  label: z.string().max(64).optional(),
  help: z.string().max(500).optional(),
  required: z.boolean().default(false),
  secret: z
    .boolean()
    .default(false)
    .describe('Sealed at rest, masked wherever it is shown, taken out of everything that is stored of an answer.'),
  graceHours: variableName
    .optional()
    .describe(
      'Of a list of signing secrets: the integer field that says for how many hours those still sign that a change leaves out.',
    ),
  pattern: z
    .string()
    .max(200)
    .optional()
    .describe('Without repeated groups, look-around or back-references, so that matching takes linear time.'),
  enum: z.array(z.string().max(128)).min(1).max(100).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  default: json.optional(),
  example: json
    .optional()
    .describe(
      'Stands in for the value in fixtures; not a real secret. Needed where `pattern` is given or the field is required.',
    ),
})

const overflow = z.enum(['reject', 'truncate', 'split'])
const shortening = z.enum(['reject', 'truncate'])
/** `chars`: Unicode code points. `utf16`: what JavaScript and Java call length. `bytes`: of UTF-8. */
const lengthUnit = z.enum(['chars', 'utf16', 'bytes'])
const max = z
  .int()
  .min(1)
  .max(64 * 1024 * 1024)
const fieldLimit = z.strictObject({ max, unit: lengthUnit.default('chars'), overflow: shortening.default('reject') })

const limits = z.strictObject({
  content: z
    .strictObject({
      max,
      unit: lengthUnit.default('chars'),
      overflow: overflow.default('reject'),
      maxParts: z.int().min(2).max(20).default(10),
    })
    .optional(),
  title: fieldLimit.optional(),
  html: fieldLimit.optional(),
  data: z.strictObject({ maxBytes: max }).optional().describe('Bytes of `message.data` as JSON.'),
  payload: z.strictObject({ maxBytes: max }).optional().describe("Bytes of the request's body as it goes out."),
  segments: z
    .strictObject({ max: z.int().min(1).max(50) })
    .optional()
    .describe('Counts the SMS segments of the content: GSM-7 160/153, UCS-2 70/67, extension characters count 2.'),
})

const rate = z.strictObject({
  scope: z.enum(['connection', 'recipient']).optional(),
  limit: z.int().min(1).max(1_000_000).optional(),
  per: duration.optional(),
  burst: z.int().min(1).max(1_000_000).optional(),
  cost: z
    .enum(['message', 'segments'])
    .optional()
    .describe('What one send takes: 1, or as many as it has SMS segments.'),
  concurrency: z.int().min(1).max(10_000).optional().describe('Sends under way at once; stands alone.'),
})

const secret = template.min(1)
const auth = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('basic'), username: secret, password: template }),
  z.strictObject({ kind: z.literal('bearer'), token: secret }),
  z.strictObject({
    kind: z.literal('api_key'),
    in: z.enum(['header', 'query', 'body']),
    name: z.string().min(1).max(64),
    value: secret,
  }),
  /** The URL itself is the secret: it is taken out of everything that is stored. */
  z.strictObject({ kind: z.literal('url_secret') }),
  z.strictObject({
    kind: z.literal('hmac_sha256'),
    secret,
    secretEncoding: z.enum(['utf8', 'base64', 'hex']).default('utf8'),
    header: headerName,
    encoding: z.enum(['hex', 'base64']).default('hex'),
    prefix: z.string().max(32).default(''),
    sign: z
      .array(z.enum(['id', 'timestamp', 'method', 'path', 'body']))
      .min(1)
      .max(5)
      .default(['body'])
      .describe('What is signed, in this order, with `separator` between. `timestamp` is in whole seconds.'),
    separator: z.string().max(4).default('.'),
    timestampHeader: headerName.optional(),
  }),
  /** `webhook-id`, `webhook-timestamp` and `webhook-signature`; several secrets during a rotation. */
  z.strictObject({ kind: z.literal('standard_webhooks'), secret }),
  z.strictObject({
    kind: z.literal('oauth2_client_credentials'),
    tokenUrl: secret,
    clientId: secret,
    clientSecret: secret,
    scope: template.optional(),
    audience: template.optional(),
    clientIn: z.enum(['basic', 'body']).default('basic').describe("Where the client's id and secret go."),
  }),
  z.strictObject({
    kind: z.literal('oauth2_jwt_bearer'),
    tokenUrl: secret,
    issuer: secret,
    privateKey: secret.describe('PEM, PKCS #8.'),
    keyId: template.optional(),
    algorithm: z.enum(['RS256', 'ES256']).default('RS256'),
    scope: template.optional(),
    audience: template.optional().describe('`tokenUrl` unless given.'),
    subject: template.optional(),
  }),
])

/** A method, or an expression that gives one. */
const method = z
  .string()
  .regex(
    /^(?:GET|POST|PUT|PATCH|DELETE|\{\{[^{}]{1,128}\}\})$/,
    'GET, POST, PUT, PATCH, DELETE or one {{ expression }}',
  )

const request = z.strictObject({
  method: method.default('POST'),
  url: template.min(1),
  query: z.record(z.string().min(1).max(128), json).optional(),
  headers: z.record(z.string().min(1).max(128), json).optional(),
  encoding: z.enum(['json', 'form', 'multipart', 'text', 'none']).default('json'),
  contentType: z.string().max(128).optional().describe('Of the text encoding; the others have their own.'),
  timeoutMs: z.int().min(100).max(120_000).default(10_000).describe('Connection, request and answer together.'),
  body: json.optional(),
})

const probe = z.strictObject({
  method: method.default('GET'),
  url: template.min(1),
  query: z.record(z.string().min(1).max(128), json).optional(),
  headers: z.record(z.string().min(1).max(128), json).optional(),
  encoding: z.enum(['json', 'form', 'none']).default('none'),
  body: json.optional(),
  timeoutMs: z.int().min(100).max(120_000).default(10_000),
  success: match,
})

/** `none`: a repeat is a second message. `natural`: something in the request makes the provider drop a repeat. */
const idempotency = z.union([
  z.enum(['none', 'natural']),
  z.strictObject({
    in: z.enum(['header', 'body']),
    name: z.string().min(1).max(64),
    value: template.min(1).default('{{ message.key }}'),
  }),
])

/** A connector document as it is written. Its JSON Schema is docs/connector.schema.json. */
export const connectorSchema = z.strictObject({
  $schema: z.string().max(512).optional().describe('For editors of JSON; nothing is read from there.'),
  schema: z.literal(connectorSchemaId).describe('The edition of this schema.'),
  id: slug.describe('Names the connector, for example twilio-sms.'),
  version: z.int().min(1).max(1_000_000).describe('A published version never changes: a change is a new number.'),
  channel: z.enum(connectorChannels),
  display: z.strictObject({
    name: z.string().min(1).max(64),
    docs: z.url().max(512).optional(),
    description: z.string().max(500).optional(),
  }),
  facts: z
    .array(
      z.strictObject({
        fact: z.string().min(1).max(500),
        source: z.string().max(512).optional(),
        verified: z.boolean(),
      }),
    )
    .max(100)
    .default([])
    .describe(
      "What the document claims about the provider, and whether it was checked against the provider's own documents.",
    ),
  config: z
    .record(variableName, configField)
    .default({})
    .describe('What an operator fills in for a connection; templates read it as `config`.'),
  recipient: z
    .strictObject({
      format: z
        .enum(['e164', 'email', 'text', 'none'])
        .default('text')
        .describe('`none`: the connection itself says who gets it.'),
      help: z.string().max(300).optional(),
    })
    .default({ format: 'text' }),
  limits: limits.default({}).describe('What the provider takes at most; checked before anything is sent.'),
  rates: z.array(rate).max(10).default([]).describe('How fast the provider may be called; all of them hold at once.'),
  maps: z
    .record(variableName, z.record(z.string().min(1).max(64), scalar))
    .default({})
    .describe('Tables for the `lookup` filter: `{{ message.priority | lookup: maps.priority }}`.'),
  auth: auth.default({ kind: 'none' }).describe('How requests prove who sends them.'),
  request: request.describe('What is sent for one message.'),
  idempotency: idempotency
    .default('none')
    .describe(
      'Whether the provider drops a repeat, and by which key. Without one, an unknown outcome is not tried again.',
    ),
  success: match.describe('When an answer means that the message was accepted; looked at first.'),
  messageId: messageId.optional().describe("Where the provider's id of the message is."),
  errors: z
    .array(errorRule)
    .max(100)
    .default([])
    .describe('What other answers mean: the first rule that matches. Without one the status decides.'),
  describe: describe.default({}).describe('What the operator reads of an answer; the first source that says anything.'),
  throttle: throttle.optional().describe('Headers in which the provider tells its own limits.'),
  receipts: receipts.optional().describe('How the provider reports later what became of a message.'),
  probe: probe.optional().describe('Tests a connection without sending anything.'),
  fixtures: z
    .array(fixture)
    .max(200)
    .default([])
    .describe('Examples that prove the document; `npm run connector:test` runs them.'),
})

export type ConnectorDocument = z.output<typeof connectorSchema>
