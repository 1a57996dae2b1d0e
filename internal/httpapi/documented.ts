import type { RouteConfig, z } from '@hono/zod-openapi'

/** Refusals every route under /v1 can give, and those that some add. */
export const refusals = {
  400: 'Not valid; `errors` names each field.',
  401: 'A key is set on the server and the request brought no valid one.',
  404: 'There is no such thing.',
  409: 'The state does not allow it.',
  413: 'The body is too large: 1 MiB, a batch 10 MiB.',
  415: 'The body is not JSON in UTF-8.',
  422: 'The idempotency key was used before with another body.',
  503: 'PostgreSQL (for parked messages: RabbitMQ, for rate limits: Redis) cannot be reached, or too many requests wait; see Retry-After.',
} as const
type Refusal = keyof typeof refusals

/** One operation of the document. */
export interface Documented {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  readonly path: string
  readonly id: string
  readonly tag: 'Notifications' | 'Batches' | 'Connections' | 'Operations'
  readonly summary: string
  readonly request?: RouteConfig['request']
  readonly answer: { readonly status: number; readonly text: string; readonly schema: z.ZodType }
  readonly headers?: z.ZodObject
  readonly refusals?: readonly Refusal[]
  /** Asks for no key, even when one is set. */
  readonly open?: boolean
}

export const json = (schema: z.ZodType) => ({ content: { 'application/json': { schema } }, required: true })

/** Refusals of what reads a body. */
export const writing = [400, 401, 413, 415, 503] as const
