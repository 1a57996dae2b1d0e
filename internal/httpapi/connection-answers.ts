import { z } from '@hono/zod-openapi'
import { channels } from '../domain/notification.ts'

/** What answers about connections, connectors, routes and limits look like; see response-schemas.ts. */

const time = z.iso.datetime()
const count = z.int().min(0)

const bucket = z
  .object({
    kind: z.enum(['rate', 'concurrency']),
    scope: z.enum(['connection', 'recipient']).optional().openapi({ description: 'Of a rate: whose it is.' }),
    limit: z
      .int()
      .min(1)
      .openapi({ description: 'Of a rate: per `perMs`. Of a concurrency: sends under way at once.' }),
    perMs: z.int().min(1).optional(),
    burst: z.int().min(1).optional().openapi({ description: 'How many may go at once after a pause.' }),
    cost: z.enum(['message', 'segments']).optional().openapi({ description: 'What one message takes of it.' }),
  })
  .openapi('Bucket')

const configField = z
  .object({
    name: z.string(),
    type: z.enum(['string', 'url', 'integer', 'number', 'boolean', 'strings', 'json']),
    label: z.string().optional(),
    help: z.string().optional(),
    required: z.boolean(),
    secret: z.boolean().openapi({ description: 'Written only: never answered.' }),
    enum: z.array(z.string()).optional(),
    pattern: z.string().optional(),
    min: z.number().optional(),
    max: z.number().optional(),
    default: z.unknown().optional(),
  })
  .openapi('ConfigField')

const connector = z
  .object({
    name: z.string().openapi({ description: '`<id>@<version>`.', example: 'twilio-sms@1' }),
    id: z.string(),
    version: z.int().min(1),
    channel: z.enum(channels),
    display: z.object({ name: z.string(), docs: z.string().optional(), description: z.string().optional() }),
    recipient: z.object({ format: z.enum(['e164', 'email', 'text', 'none']), help: z.string().optional() }),
    config: z.array(configField).openapi({ description: 'What a connection is filled in with.' }),
    canProbe: z.boolean().openapi({ description: 'Its connections can be tested without sending anything.' }),
    repeatable: z.boolean().openapi({ description: 'The receiver drops a repeat of the same attempt.' }),
    source: z.enum(['built_in', 'shipped', 'own']).openapi({ description: '`own`: of CONNECTORS_DIR.' }),
    file: z.string().optional(),
  })
  .openapi('Connector')

export const connectorListSchema = z
  .object({
    data: z.array(connector),
    problems: z
      .array(
        z.object({
          file: z.string(),
          line: z.int().min(1),
          column: z.int().min(1),
          path: z.string(),
          message: z.string().openapi({ description: 'All of it in one line.' }),
        }),
      )
      .openapi({
        description: 'Files that are wrong; the last good version of each is used as long as the process lives.',
      }),
  })
  .openapi('ConnectorList')

export const connectionSchema = z
  .object({
    id: z.string(),
    connector: z.string(),
    channel: z.enum(channels),
    config: z.record(z.string(), z.unknown()).openapi({ description: 'Without secrets.' }),
    secrets: z.array(z.string()).openapi({ description: 'Names of the secret fields that are set.' }),
    enabled: z.boolean(),
    state: z.enum(['ready', 'disabled', 'paused', 'broken']),
    paused: z.object({ code: z.string(), reason: z.string(), since: time }).optional().openapi({
      description: 'Left out of every route until somebody resumes it. `config`: the provider refused it.',
    }),
    problem: z
      .string()
      .optional()
      .openapi({ description: 'Why it cannot be used as it stands. When `ready` all the same, it goes on as it was.' }),
    source: z.enum(['api', 'file']),
    revision: z.int().optional().openapi({ description: 'As in ETag; not of one that is kept in a file.' }),
    buckets: z.array(bucket),
    createdAt: time,
    updatedAt: time,
  })
  .openapi('Connection')

export const connectionListSchema = z.object({ data: z.array(connectionSchema) }).openapi('ConnectionList')
export const connectionRemovedSchema = z.object({ removed: z.string() }).openapi('ConnectionRemoved')

export const probeSchema = z
  .object({
    outcome: z.enum(['ok', 'failed', 'unsupported']),
    class: z.string().optional().openapi({ description: 'What the answer means to the engine.', example: 'config' }),
    rule: z.string().optional(),
    code: z.string().optional(),
    message: z.string().optional(),
    statusCode: z.int().optional(),
    responseExcerpt: z.string().optional(),
    durationMs: count,
  })
  .openapi('ConnectionProbe')

export const routeAnswerSchema = z
  .object({
    channel: z.enum(channels),
    tag: z.string().optional().openapi({ description: 'Left out: every notification without a route of its own.' }),
    tiers: z.array(z.object({ connections: z.array(z.object({ connection: z.string(), weight: z.int() })) })),
    tryTimeoutMs: z.int().optional(),
    totalTimeoutMs: z.int().optional(),
    missing: z.array(z.string()).openapi({ description: 'Names in it that are no connection any more.' }),
    source: z.enum(['api', 'file']),
    revision: z.int().optional(),
  })
  .openapi('Route')

export const routeListSchema = z.object({ data: z.array(routeAnswerSchema) }).openapi('RouteList')
export const routeRemovedSchema = z
  .object({ removed: z.object({ channel: z.enum(channels), tag: z.string().optional() }) })
  .openapi('RouteRemoved')

export const rateLimitListSchema = z
  .object({
    data: z.array(
      z.object({
        connection: z.string(),
        bucket: bucket.optional().openapi({ description: 'Left out: only what the provider told.' }),
        inUse: count
          .optional()
          .openapi({ description: 'Left out for a bucket per recipient: there are as many as these.' }),
        nextInMs: count.optional().openapi({ description: 'Until the next message may go; 0 = now.' }),
        learnt: z
          .object({
            name: z.string().optional().openapi({ description: "The provider's own name of the limit." }),
            remaining: z.number().optional(),
            resetAfterMs: z.number().min(0).optional(),
          })
          .optional()
          .openapi({ description: 'What the provider told in the headers of its answers.' }),
      }),
    ),
  })
  .openapi('RateLimitList')
