import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { z } from 'zod'
import { numberOf } from './items.ts'
import { obey } from './remote.ts'
import { sharedNowMs } from './time.ts'

/**
 * The target of all sends, in a process of its own. The sink of the repository reads scripts and keeps what it got;
 * this one does as little as a correct server can, since it shares the processors with those that are measured.
 */

const modeSchema = z.object({
  /** So many first deliveries are noted by their number; 0 = only count. */
  record: z.number(),
  /** Every second number is refused with a 503 so many times. */
  failures: z.number(),
  /** This channel is answered late. */
  slow: z.object({ channel: z.string(), delayMs: z.number() }).nullable(),
})

let mode: z.infer<typeof modeSchema> = { record: 0, failures: 0, slow: null }
let count = 0
let received = new Float64Array(0)
let deliveries = new Uint8Array(0)

const taken = Buffer.from('{"messageId":"m"}')
const refused = Buffer.from('{}')
const headersOf = (body: Buffer) => ({ 'content-type': 'application/json', 'content-length': String(body.length) })
const takenHeaders = headersOf(taken)
const refusedHeaders = headersOf(refused)

const delivery = z.object({ to: z.string(), channel: z.string() })

function answer(response: ServerResponse, isTaken: boolean): void {
  if (isTaken) {
    count += 1
    response.writeHead(202, takenHeaders).end(taken)
  } else response.writeHead(503, refusedHeaders).end(refused)
}

/** Looks into the body: only scenarios that need it pay for it. */
function examine(body: string, response: ServerResponse): void {
  const nowMs = sharedNowMs()
  const { to, channel } = delivery.parse(JSON.parse(body))
  const number = numberOf(to)
  if (received[number] === 0) received[number] = nowMs
  const before = deliveries[number] ?? 0
  deliveries[number] = before + 1
  const isTaken = number % 2 === 0 || before >= mode.failures
  if (mode.slow !== null && channel === mode.slow.channel) {
    setTimeout(() => answer(response, isTaken), mode.slow.delayMs)
  } else answer(response, isTaken)
}

function handle(request: IncomingMessage, response: ServerResponse): void {
  if (mode.record === 0) {
    request.on('end', () => answer(response, true)).resume()
    return
  }
  let body = ''
  request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
  request.on('end', () => examine(body, response))
}

const server = createServer({ keepAliveTimeout: 65_000 }, handle)

obey({
  listen: () =>
    new Promise((resolve) => {
      server.listen({ host: '127.0.0.1', port: 0, backlog: 1_024 }, () => {
        const address = server.address()
        resolve(`http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`)
      })
    }),
  reset: (input) => {
    mode = modeSchema.parse(input)
    count = 0
    received = new Float64Array(mode.record)
    deliveries = new Uint8Array(mode.record)
  },
  hurry: () => {
    mode = { ...mode, slow: null }
  },
  count: () => count,
  received: () => received,
})
