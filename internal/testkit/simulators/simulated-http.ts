import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'

/** A request as the provider's side got it. */
export interface SimulatedRequest {
  readonly method: string
  /** The `Host` header without a port, in lower case. */
  readonly host: string
  /** As sent: still percent-encoded, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface SimulatedAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** A provider as a client sees it from outside. */
export interface SimulatedProvider {
  readonly name: string
  /** The names it is reached by. */
  readonly hosts: readonly string[]
  /** Whom a request is for, so that a test can single out one recipient; null when it does not say. */
  recipientOf(request: SimulatedRequest): string | null
  answer(request: SimulatedRequest, now: Date): SimulatedAnswer | Promise<SimulatedAnswer>
}

export function jsonAnswer(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): SimulatedAnswer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) }
}

export function textAnswer(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): SimulatedAnswer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body }
}

/** What a load balancer in front of an API says when nobody is behind it: no JSON, whatever was asked for. */
export const badGatewayPage: SimulatedAnswer = {
  status: 502,
  headers: { 'content-type': 'text/html; charset=UTF-8' },
  body: '<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>\n<p><b>502.</b> <ins>That’s an error.</ins>\n',
}

/** The media type of the request's body, without parameters; '' without one. */
export function mediaTypeOf({ headers }: SimulatedRequest): string {
  return (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
}

/** The body as JSON of this shape, or a word on the first thing that is wrong with it. */
export function readJson<T>(
  request: SimulatedRequest,
  schema: z.ZodType<T>,
): { readonly value: T } | { readonly wrong: string; readonly at: readonly PropertyKey[] } {
  let parsed: unknown
  try {
    parsed = JSON.parse(request.body)
  } catch {
    return { wrong: 'the body is no JSON', at: [] }
  }
  const result = schema.safeParse(parsed)
  if (result.success) return { value: result.data }
  const [first] = result.error.issues
  return { wrong: first?.message ?? 'wrong', at: first?.path ?? [] }
}

/** The string at `field` of a JSON object, null when there is none: for looking, not for checking. */
export function peekJson(request: SimulatedRequest, ...fields: readonly (string | number)[]): string | null {
  try {
    let value: unknown = JSON.parse(request.body)
    for (const field of fields) {
      if (typeof value !== 'object' || value === null) return null
      value = new Map<string, unknown>(Object.entries(value)).get(String(field))
    }
    return typeof value === 'string' || typeof value === 'number' ? String(value) : null
  } catch {
    return null
  }
}

export function bearerOf({ headers }: SimulatedRequest): string | null {
  return /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1] ?? null
}

/** `user:password` of basic authentication, null without it. */
export function basicOf({ headers }: SimulatedRequest): string | null {
  const encoded = /^Basic ([A-Za-z0-9+/]+=*)$/.exec(headers.authorization ?? '')?.[1]
  return encoded === undefined ? null : Buffer.from(encoded, 'base64').toString('utf8')
}
