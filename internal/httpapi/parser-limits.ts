import type { ServerOptions } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Refusal, refuseOnSocket } from './refusals.ts'

/** What Node's parser bounds, and what is answered when it refuses. */

/** How long a connection may take, in milliseconds. Connections that take longer are answered 408, or cut. */
export interface HttpTimeouts {
  /** From the first byte, or from connecting, to the end of the headers. Default 10 s. */
  readonly headersMs: number
  /** To the end of the body. Default 15 s. */
  readonly requestMs: number
  /** Idle between two requests. Longer than usual load balancers wait (60 s), so the balancer closes first. Default 65 s. */
  readonly keepAliveMs: number
  /**
   * Without a byte either way while a request is under way: a client that does not read its answers would hold them in
   * memory for ever. Longer than any answer takes to make. Default 60 s.
   */
  readonly stalledMs: number
  /** Pause between two looks for late requests. Default 2 s. */
  readonly checkEveryMs: number
}

export const timeoutsDefault: HttpTimeouts = {
  headersMs: 10_000,
  requestMs: 15_000,
  keepAliveMs: 65_000,
  stalledMs: 60_000,
  checkEveryMs: 2_000,
}

const headersMaxBytes = 16 * 1024

/** For `createServer`. */
export function serverOptions({ headersMs, requestMs, keepAliveMs, checkEveryMs }: HttpTimeouts): ServerOptions {
  return {
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: checkEveryMs,
    maxHeaderSize: headersMaxBytes,
    requireHostHeader: false, // checked in the listener, where the refusal can be a problem document
  }
}

/** The answer to what the parser refused, where the client still listens. */
export function answerParserError(error: NodeJS.ErrnoException, socket: Duplex, timeouts: HttpTimeouts): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
  else refuseOnSocket(socket, refusalOfParser(error.code, timeouts))
}

function refusalOfParser(code: string | undefined, { headersMs, requestMs }: HttpTimeouts): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const detail = `expected at most ${headersMaxBytes / 1024} KiB of headers, found more`
    return { status: 431, reason: 'Request Header Fields Too Large', detail }
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const detail = `expected the headers within ${headersMs / 1_000} s and the whole request within ${requestMs / 1_000} s`
    return { status: 408, reason: 'Request Timeout', detail }
  }
  return { status: 400, reason: 'Bad Request', detail: 'expected HTTP/1.1' }
}
