import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { Agent } from 'undici'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../lifecycle/system-clock.ts'
import type { Connector } from './compile.ts'
import { checkConfig } from './config.ts'
import { parseConnector } from './document.ts'
import type { ConnectorMessage } from './message.ts'
import { formatProblem } from './problems.ts'
import { ConnectorSender } from './sender.ts'

export const exampleMessage: ConnectorMessage = {
  id: '0190a1b2-0000-7000-8000-000000000001',
  key: '0190a1b2-0000-7000-8000-000000000001:2',
  to: '+491234567',
  content: 'Your code is 123456',
  title: 'A title',
  html: null,
  data: null,
  tags: ['a', 'b'],
  metadata: null,
  priority: 'NORMAL',
  channel: 'sms',
  correlationId: 'corr-1',
  attempt: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
}

/** A small document; `parts` replace its parts, undefined takes one out. */
export function documentOf(parts: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return {
    schema: 'connector/v1',
    id: 'example',
    version: 1,
    channel: 'sms',
    display: { name: 'Example' },
    config: {
      url: { type: 'url', required: true, example: 'https://example.com' },
      apiKey: { type: 'string', secret: true, example: 'example-key' },
    },
    request: { url: '{{ config.url }}/send', body: { to: '{{ message.to }}', text: '{{ message.content }}' } },
    success: { status: ['2xx'] },
    ...parts,
  }
}

/** @throws Error that lists the problems. */
export function connectorOf(parts: Readonly<Record<string, unknown>> = {}): Connector {
  const parsed = parseConnector(JSON.stringify(documentOf(parts)), 'example.json')
  if (parsed.ok) return parsed.connector
  throw new Error(parsed.problems.map(formatProblem).join('\n'))
}

/** What is wrong with a document, one line each, without the place. */
export function problemsOf(parts: Readonly<Record<string, unknown>>): readonly string[] {
  const parsed = parseConnector(JSON.stringify(documentOf(parts)), 'x')
  return parsed.ok ? [] : parsed.problems.map((problem) => formatProblem(problem).replace(/^x:\d+:\d+ /, ''))
}

/** A sender over loopback connections, with the deadline of its caller. */
export function senderOf(
  config: Readonly<Record<string, unknown>>,
  parts: Readonly<Record<string, unknown>> = {},
  clock: ConstructorParameters<typeof ConnectorSender>[2]['clock'] = systemClock,
) {
  const connector = connectorOf(parts)
  const checked = checkConfig(connector, config)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  const dispatcher = new Agent({ connections: 4, keepAliveTimeout: 1_000 })
  const sender = new ConnectorSender(connector, checked.config, { dispatcher, clock }, { version: '1.2.3' })
  onTestFinished(async () => {
    sender.close()
    await dispatcher.destroy()
  })
  const send = (changes: Partial<ConnectorMessage> = {}, signal: AbortSignal = AbortSignal.timeout(10_000)) =>
    sender.send({ ...exampleMessage, ...changes }, signal)
  return { sender, send }
}

async function listening(server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** @throws Error when nothing came. */
export function firstOf(requests: readonly Received[]): Received {
  const [first] = requests
  if (first === undefined) throw new Error('no request came')
  return first
}

/** An HTTP target that reads each request whole and then does as told. */
export async function httpTarget(answer: (...args: [...Parameters<RequestListener>, Received]) => void) {
  const requests: Received[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const received = { method, url, headers, body }
      requests.push(received)
      answer(request, response, received)
    })
  })
  return { url: await listening(server), requests }
}

/** A TCP target: `onData` gets each chunk that comes in. */
export async function tcpTarget(onData: (socket: Socket, text: string) => void) {
  const server = createTcpServer((socket) =>
    socket.setEncoding('utf8').on('data', (text: string) => onData(socket, text)),
  )
  return { url: await listening(server) }
}
