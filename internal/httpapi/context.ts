import type { Context } from 'hono'

export interface AppEnv {
  Variables: {
    /** Echoed as `X-Request-ID`, named in every problem and log line. */
    requestId: string
  }
}

export type Ctx = Context<AppEnv>
export type Handler = (c: Ctx) => Response | Promise<Response>

/** One path and what its methods do; any other method is a 405 with `Allow`. */
export interface Route {
  /** In hono's notation: `/v1/notifications/:id`. */
  readonly path: string
  readonly methods: Readonly<Partial<Record<'GET' | 'POST' | 'PUT' | 'DELETE', Handler>>>
}

export type HeaderMap = Readonly<Record<string, string>>

/**
 * A JSON answer. All headers are given at once as a plain object: setting them one by one on a finished response
 * costs more than the rest of a small request.
 */
export function answer(c: Ctx, status: number, body: unknown, headers: HeaderMap = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-request-id': c.get('requestId'),
      ...headers,
    },
  })
}
