import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { answer, answerJson } from './answers.ts'
import { contentKeptMax, KeyCounts, Ledger, maxKeptDefault, type Received } from './ledger.ts'
import { type Parsed, parseScript, type Script, type Step, scriptInContent, scriptOfPath, stepFor } from './script.ts'

export type { Received } from './ledger.ts'

export interface SinkOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 0: a free one. */
  readonly port?: number
  /** Appended to, one JSON object a line, each before its answer is sent. */
  readonly logFile?: string
  /** Deliveries kept in memory, 0 = none; default {@link maxKeptDefault}. */
  readonly maxKept?: number
  /** Told of each delivery when it was answered, or when it is clear that it will not be. */
  readonly onAnswered?: (received: Received) => void
}

export interface Sink {
  /** Without a slash at its end. */
  readonly url: string
  readonly port: number
  /** Kept deliveries from index `since` (default 0) on, oldest first. */
  received(since?: number): readonly Received[]
  /** Deliveries since the start or the last reset, kept or not. */
  count(): number
  /** Answers every delivery by this script until changed, whatever its path; null = by its path again. @throws Error when the script cannot be read. */
  behave(script: string | null): void
  /** Forgets deliveries, sequences and behaviour. */
  reset(): void
  /** Lets answers under way end, at most for a second. Safe to call twice. */
  close(): Promise<void>
}

const bodyBytesMax = 1_048_576
const keysMax = 100_000
const listedMax = 10_000
const closeGraceMs = 1_000
/** Longer than every client keeps an idle connection: it is the client that ends them, so no request is lost in a race. */
const keepAliveMs = 65_000

/**
 * A provider that answers as told: by `[sink 503 200]` inside a delivery's `content`, else by the behaviour set for all,
 * else by its path (script.ts has the words).
 * @throws Error when the port is taken or the log file cannot be opened.
 */
export async function startSink(options: SinkOptions = {}): Promise<Sink> {
  const host = options.host ?? '127.0.0.1'
  const core = new SinkCore(new Ledger(options.maxKept ?? maxKeptDefault, options.logFile ?? null), options.onAnswered)
  const server = createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => {
    core.handle(request, response).catch(() => response.destroy()) // the client left while it was sending
  })
  server.listen({ host, port: options.port ?? 0, backlog: 1_024 })
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  let closed: Promise<void> | null = null
  return {
    url: `http://${reachableHost(host)}:${port}`,
    port,
    received: (since = 0) => core.ledger.from(since),
    count: () => core.ledger.count,
    behave: (script) => core.behave(script),
    reset: () => core.reset(),
    close: () => (closed ??= closeServer(server).then(() => core.ledger.close())),
  }
}

function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  const timer = setTimeout(() => server.closeAllConnections(), closeGraceMs)
  await closed
  clearTimeout(timer)
}

class SinkCore {
  readonly ledger: Ledger
  readonly #onAnswered: ((received: Received) => void) | undefined
  readonly #deliveries = new KeyCounts(keysMax)
  readonly #steps = new KeyCounts(keysMax)
  #behaviour: { readonly name: string; readonly script: Script } | null = null
  #behavioursSet = 0

  constructor(ledger: Ledger, onAnswered: ((received: Received) => void) | undefined) {
    this.ledger = ledger
    this.#onAnswered = onAnswered
  }

  behave(text: string | null): void {
    if (text === null) {
      this.#behaviour = null
      return
    }
    const parsed = parseScript(text)
    if (!parsed.ok) throw new Error(parsed.problem)
    // A name of its own, so that each key begins this sequence at its first step.
    this.#behaviour = { name: `behaviour ${++this.#behavioursSet}`, script: parsed.script }
  }

  reset(): void {
    this.ledger.clear()
    this.#deliveries.clear()
    this.#steps.clear()
    this.#behaviour = null
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(`http://sink${request.url}`)
    if (url === null) return answerJson(response, 400, help)
    if (url.pathname.startsWith('/_sink/')) return this.#control(request, response, url)
    if (request.method === 'GET' && url.pathname === '/') return answerJson(response, 200, help)
    const at = Date.now()
    const fallback = this.#behaviour ?? { name: 'path', ...this.#byPath(url) }
    if ('script' in fallback && fallback.script.length === 1 && fallback.script[0].kind === 'drop') {
      const received = this.#receive(request, url, at, '')
      return answer(fallback.script[0], response, this.#ender(received))
    }
    const body = await readBody(request)
    const received = this.#receive(request, url, at, body ?? '')
    const end = this.#ender(received)
    if (body === null) return this.#refuse(response, end, 413, 'the body is too big')
    const told = scriptInContent(contentOf(body))
    const choice = told === null ? fallback : { name: 'content', ...told }
    if (!('script' in choice)) return this.#refuse(response, end, told === null ? 404 : 400, choice.problem)
    answer(this.#nextStep(choice, received.key), response, end)
  }

  #byPath(url: URL): Parsed {
    return scriptOfPath(url.pathname, url.searchParams) ?? { ok: false, problem: 'this path means nothing to the sink' }
  }

  #nextStep({ name, script }: { readonly name: string; readonly script: Script }, key: string | null): Step {
    return stepFor(script, key === null ? 0 : this.#steps.next(`${name} ${key}`))
  }

  #receive(request: IncomingMessage, url: URL, at: number, body: string): Received {
    const key = headerOf(request, 'idempotency-key')
    const { to, channel, content } = fieldsOf(body)
    return this.ledger.add({
      at,
      key,
      delivery: key === null ? 1 : this.#deliveries.next(key) + 1,
      path: url.pathname,
      correlationId: headerOf(request, 'x-correlation-id'),
      traceparent: headerOf(request, 'traceparent'),
      to,
      channel,
      content: content === null ? null : content.slice(0, contentKeptMax),
      contentLength: content === null ? null : content.length,
    })
  }

  /** Ends the entry once, at the first call. */
  #ender(received: Received): (status: number | null) => void {
    let ended = false
    return (status) => {
      if (ended) return
      ended = true
      this.ledger.end(received, status)
      this.#onAnswered?.(received)
    }
  }

  #refuse(response: ServerResponse, end: (status: number) => void, status: number, problem: string): void {
    end(status)
    if (status === 413) response.setHeader('connection', 'close')
    answerJson(response, status, { error: problem, ...help })
  }

  async #control(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const call = `${request.method} ${url.pathname}`
    if (call === 'GET /_sink/received') {
      const entries = this.ledger.from(Number(url.searchParams.get('since')) || 0, listedMax)
      const next = (entries.at(-1)?.index ?? this.ledger.count - 1) + 1
      return answerJson(response, 200, { entries, next, count: this.ledger.count })
    }
    if (call === 'GET /_sink/count') {
      return answerJson(response, 200, { received: this.ledger.count, byStatus: this.ledger.byStatus })
    }
    if (call === 'POST /_sink/reset') {
      this.reset()
      return answerJson(response, 200, { reset: true })
    }
    if (call !== 'POST /_sink/behaviour') return answerJson(response, 404, help)
    const script = scriptField((await readBody(request)) ?? '')
    const parsed = script === null || script === undefined ? null : parseScript(script)
    if (script === undefined || parsed?.ok === false) {
      const problem = parsed?.ok === false ? parsed.problem : 'expected {"script":"503 200"} or {"script":null}'
      return answerJson(response, 400, { error: problem })
    }
    this.behave(script)
    answerJson(response, 200, { script })
  }
}

const help = {
  paths: [
    '/',
    '/status/503',
    '/status/429?retry-after=7',
    '/slow/2000',
    '/hang',
    '/drip?bytes=100&every=50',
    '/reset',
  ].concat(['/drop', '/huge?bytes=1000000', '/redirect', '/messageid-header', '/script/503,503,200']),
  content: '[sink 503 429:7 slow:2000 hang reset drop drip huge 200]',
  control: ['GET /_sink/received?since=0', 'GET /_sink/count', 'POST /_sink/reset', 'POST /_sink/behaviour'],
} as const

/** Null when it is bigger than {@link bodyBytesMax}; the rest is then not read. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Uint8Array[] = []
  let size = 0
  const source: AsyncIterable<unknown> = request.iterator({ destroyOnReturn: false })
  for await (const chunk of source) {
    if (!(chunk instanceof Uint8Array)) continue
    size += chunk.length
    if (size > bodyBytesMax) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function headerOf(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name]
  return typeof value === 'string' && value !== '' ? value : null
}

function parseObject(body: string): object {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}

function fieldsOf(body: string): Pick<Received, 'to' | 'channel' | 'content'> {
  const parsed = parseObject(body)
  return {
    to: 'to' in parsed && typeof parsed.to === 'string' ? parsed.to : null,
    channel: 'channel' in parsed && typeof parsed.channel === 'string' ? parsed.channel : null,
    content: 'content' in parsed && typeof parsed.content === 'string' ? parsed.content : null,
  }
}

function contentOf(body: string): string {
  return fieldsOf(body).content ?? ''
}

/** Undefined when the body does not hold one. */
function scriptField(body: string): string | null | undefined {
  const parsed = parseObject(body)
  if (!('script' in parsed)) return undefined
  return typeof parsed.script === 'string' || parsed.script === null ? parsed.script : undefined
}
