import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** Answers to what never reaches the app: the same problem documents, made without it. */

export interface Refusal {
  readonly status: number
  readonly reason: string
  readonly detail: string
}

const hostRefusal: Refusal = {
  status: 400,
  reason: 'Bad Request',
  detail: 'expected a valid Host header and request target',
}

export const expectationRefusal: Refusal = {
  status: 417,
  reason: 'Expectation Failed',
  detail: 'Expect: expected 100-continue or nothing, found something else',
}

/**
 * Stands in for the Host header that HTTP/1.0 need not send (some load balancers probe so). No answer depends on it.
 */
export const hostOfOldClients = 'localhost'

/** Not exactly one Host header: what stands in front may have taken another one than we would. */
export function refusalOfHost({ rawHeaders, httpVersion }: IncomingMessage): Refusal | null {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0') ? null : hostRefusal
}

/** Too many connections: nothing of the request was done. */
export const connectionRefusal: Refusal = {
  status: 503,
  reason: 'Service Unavailable',
  detail: 'too many connections are open already',
}

/** Too many requests at once on one connection: none of this one was done. */
export const pipelineRefusal: Refusal = {
  status: 503,
  reason: 'Service Unavailable',
  detail: 'too many requests on this connection wait for their answers; read them first',
}

/**
 * For a request that was parsed. The connection stays: requests that follow on it may be under way already, and must
 * get their answers.
 */
export function refuse(outgoing: ServerResponse, refusal: Refusal): void {
  const { body, headers } = problem(refusal)
  outgoing.writeHead(refusal.status, headers).end(body)
}

/** For a request after which the connection is closed. */
export function refuseLast(outgoing: ServerResponse, refusal: Refusal): void {
  outgoing.setHeader('Connection', 'close')
  refuse(outgoing, refusal)
}

/** For the listener: a host or target that is no valid URL, or an error that the app could not turn into an answer. */
export function refusedResponse(error: unknown): Response {
  const isRequest = error instanceof Error && error.name === 'RequestError'
  const internal: Refusal = { status: 500, reason: 'Internal error', detail: 'something went wrong here' }
  const refusal = isRequest ? hostRefusal : internal
  const { body, headers } = problem(refusal)
  return new Response(body, { status: refusal.status, headers })
}

/** On the bare socket, which is closed after. */
export function refuseOnSocket(socket: Duplex, refusal: Refusal): void {
  const { body, headers } = problem(refusal)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const head = [`HTTP/1.1 ${refusal.status} ${refusal.reason}`, ...lines, 'Connection: close'].join('\r\n')
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy())
}

const codes: Readonly<Record<number, string>> = { 500: 'internal', 503: 'overloaded' }

function problem({ status, reason, detail }: Refusal) {
  const code = codes[status] ?? 'invalid_request'
  const requestId = randomUUID()
  const type = `urn:dispatch-engine:problem:${code}`
  const body = JSON.stringify({ type, title: reason, status, detail, code, error: detail, requestId })
  const headers = {
    'Content-Type': 'application/problem+json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    'X-Request-ID': requestId,
    ...(status === 503 && { 'Retry-After': '1' }),
  }
  return { body, headers }
}
