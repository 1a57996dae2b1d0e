import { z } from '@hono/zod-openapi'
import { tierConnectionsMax, tiersMax, totalTimeoutMsMax, tryTimeoutMsMax, weightMax } from '../domain/connection.ts'
import { channels, type JsonObject, tagLengthMax } from '../domain/notification.ts'
import { describe, quote } from './describe.ts'
import { connectionNameSchema, isJsonObject, says, text, word } from './schemas.ts'

/** What clients may send about connections and routes; see schemas.ts. */

const connectorNameMax = 128
const pauseCodeMax = 64
const pauseReasonMax = 1_000

const config = z
  .custom<JsonObject>(isJsonObject, { ...says('an object'), params: { code: 'invalid_type' } })
  .openapi({ type: 'object', additionalProperties: true })

const connector = text(connectorNameMax).openapi({
  description: '`<id>@<version>` of GET /v1/connectors; without a version the newest.',
  example: 'twilio-sms@1',
})
const enabled = z.boolean(says('true or false')).optional().openapi({ default: true })

export const createConnectionSchema = z
  .object({
    id: connectionNameSchema,
    connector,
    config: config.optional().openapi({ description: 'What the connector asks for, secrets included.' }),
    enabled,
  })
  .openapi('CreateConnection', {
    example: {
      id: 'twilio-main',
      connector: 'twilio-sms@1',
      config: { accountSid: 'AC…', authToken: '…', from: '+15550100' },
    },
  })

export const replaceConnectionSchema = z
  .object({
    connector: connector
      .optional()
      .openapi({ description: 'Left out: as it is. Another version, or another connector.' }),
    config: config.openapi({
      description:
        'All of it, but for secrets: one that is left out is kept, null takes it out. When the connection leads elsewhere (another connector, another URL or host), secrets must be given again.',
    }),
    enabled,
  })
  .openapi('ReplaceConnection')

export const pauseConnectionSchema = z
  .object({
    code: text(pauseCodeMax).optional().openapi({ default: 'operator' }),
    reason: text(pauseReasonMax).optional().openapi({ description: 'Shown to whoever looks at the connection.' }),
  })
  .openapi('PauseConnection')

function wholeNumberField(min: number, max: number, unit: string) {
  const expected = `a whole number of ${unit} from ${min} to ${max}`
  return z.int(says(expected)).min(min, says(expected)).max(max, says(expected))
}

/** Of what stands inside a field: there a misspelt name would be lost without a word. */
function holding(expected: string) {
  return {
    error: (issue: {
      readonly code?: string | undefined
      readonly input?: unknown
      readonly keys?: readonly string[]
    }) =>
      issue.code === 'unrecognized_keys'
        ? `expected ${expected}, found the unknown field ${(issue.keys ?? []).map((key) => quote(key, 64)).join(', ')}`
        : `expected ${expected}, found ${describe(issue.input)}`,
  }
}

const memberExpected = 'an object with "connection" and perhaps "weight"'

const member = z.strictObject(
  {
    connection: connectionNameSchema,
    weight: wholeNumberField(1, weightMax, 'parts')
      .optional()
      .openapi({ default: 1, description: 'Its share of what goes over this tier.' }),
  },
  holding(memberExpected),
)

const memberList = `an array of 1 to ${tierConnectionsMax} objects with "connection"`
const tierList = `an array of 1 to ${tiersMax} tiers, each an object with "connections"`

const tier = z.strictObject(
  {
    connections: z.array(member, says(memberList)).min(1, says(memberList)).max(tierConnectionsMax, says(memberList)),
  },
  holding('an object with "connections"'),
)

export const routeSchema = z
  .object({
    tiers: z
      .array(tier, says(tierList))
      .min(1, says(tierList))
      .max(tiersMax, says(tierList))
      .openapi({ description: 'In the order in which they serve: the next one when nothing of this one can.' }),
    tryTimeoutMs: wholeNumberField(100, tryTimeoutMsMax, 'milliseconds')
      .nullish()
      .openapi({ description: 'Deadline of one try; at most JOB_TIMEOUT, which is the default.' }),
    totalTimeoutMs: wholeNumberField(1_000, totalTimeoutMsMax, 'milliseconds')
      .nullish()
      .openapi({ description: "From accept to giving up; at most the notification's own time, which is the default." }),
  })
  .openapi('SaveRoute', {
    example: {
      tiers: [
        { connections: [{ connection: 'twilio-main', weight: 3 }, { connection: 'twilio-eu' }] },
        { connections: [{ connection: 'own-gateway' }] },
      ],
    },
  })

/** Path of a route. */
export const routeChannelSchema = word(channels).openapi({ description: 'Read in any case.' })

/** Query of a route. */
export const routeQuerySchema = z.object({
  tag: text(tagLengthMax)
    .optional()
    .openapi({ description: 'The route of notifications with this tag; left out: of all others of the channel.' }),
})

/** Documentation of the headers; connections.ts reads them. */
export const ifMatchHeaders = z.object({
  'If-Match': z.string().max(64).optional().openapi({
    description:
      'The ETag that was read: refused with 409 when somebody changed it since. Left out or `*`: whatever there is.',
  }),
})
export const etagHeaders = z.object({
  ETag: z.string().optional().openapi({ description: 'For If-Match; not of one that is kept in a file.' }),
})
