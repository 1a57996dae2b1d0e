import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { connect, type Server, type Socket } from 'node:net'
import { type Dispatcher, request } from 'undici'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../lifecycle/system-clock.ts'
import { type Egress, type EgressSettings, openEgress } from './egress.ts'
import type { Lookup } from './names.ts'

/** Lets a server listen on a free port of loopback until the test ends, and remembers who connected. */
export async function listen(server: Server, { host = '127.0.0.1', port = 0 } = {}) {
  const open = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections++
    open.add(socket)
    socket.on('error', () => undefined).on('close', () => open.delete(socket))
  })
  server.listen(port, host)
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : 0
  return { port: bound, url: `http://${host}:${bound}`, open, connections: () => connections }
}

/** An HTTP target that remembers its requests; without a listener it answers 200. */
export async function target(answer: RequestListener = (_, response) => response.end('{}'), where = {}) {
  const requests: IncomingMessage[] = []
  const server = createServer((incoming, response) => {
    requests.push(incoming)
    incoming.resume()
    answer(incoming, response)
  })
  return { ...(await listen(server, where)), requests }
}

/** A proxy whose every tunnel ends at one port of loopback; `refuse` answers instead. */
export async function proxy(port: number, refuse: string | null = null) {
  const asked: IncomingMessage[] = []
  const server = createServer((_, response) => response.writeHead(500).end())
  server.on('connect', (incoming: IncomingMessage, socket: Socket) => {
    asked.push(incoming)
    socket.on('error', () => undefined)
    if (refuse !== null) return void socket.end(refuse)
    const onward = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    onward.on('error', () => socket.destroy()).on('close', () => socket.destroy())
    socket.on('close', () => onward.destroy())
    onward.pipe(socket).pipe(onward)
  })
  return { ...(await listen(server)), asked }
}

/** A way out that ends with the test, with every port and http: allowed. Names are what `lookup` says. */
export function egress(settings: EgressSettings = {}, lookup: Lookup = noNames): Egress {
  const opened = openEgress(
    { ports: [{ first: 1, last: 65_535 }], plainHttp: true, stopMaxMs: 200, ...settings },
    { clock: systemClock, lookup },
  )
  onTestFinished(() => opened.close())
  return opened
}

/** Sends a POST and reads the answer whole. */
export async function send({ dispatcher }: Egress, url: string, options: Partial<Dispatcher.RequestOptions> = {}) {
  const { statusCode, headers, body } = await request(url, { method: 'POST', body: '{}', dispatcher, ...options })
  return { statusCode, headers, text: await body.text() }
}

/** Answers of a resolver, in their order; the last one stays. Counts how often it was asked. */
export function resolver(...answers: readonly (readonly string[])[]) {
  let calls = 0
  const lookup: Lookup = async () => {
    const answer = answers[Math.min(calls, answers.length - 1)] ?? []
    calls++
    return answer.map(toLookupAddress)
  }
  return { lookup, calls: () => calls }
}

export function toLookupAddress(address: string): LookupAddress {
  return { address, family: address.includes(':') ? 6 : 4 }
}

const noNames: Lookup = async (name) => {
  throw Object.assign(new Error(`no such name: ${name}`), { code: 'ENOTFOUND' })
}
