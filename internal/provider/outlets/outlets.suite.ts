import { once } from 'node:events'
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Agent } from 'undici'
import { onTestFinished } from 'vitest'
import type { ConnectionInput } from '../../port/connection-admin.ts'
import type { Claimed } from '../../port/notification-store.ts'
import { aClaim } from '../../testkit/builders.ts'
import { eventually } from '../../testkit/eventually.ts'
import { ManualClock } from '../../testkit/manual-clock.ts'
import { MemoryConnectionStore } from '../../testkit/memory-connection-store.ts'
import { RecordingLogger } from '../../testkit/telemetry.ts'
import { Sealer } from '../sealing/sealer.ts'
import { OutletAdmin } from './admin.ts'
import { kindOfConnector } from './connector-kind.ts'
import { OutletRegistry, pollMs, type RegistryDeps } from './registry.ts'

/** A small connector as a file holds it. */
export function connectorText(id: string, more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    schema: 'connector/v1',
    id,
    version: 1,
    channel: 'sms',
    display: { name: id },
    config: {
      url: { type: 'url', required: true, example: 'https://example.com' },
      token: { type: 'string', required: true, secret: true, pattern: 'tok_[a-z0-9-]+', example: 'tok_example' },
      note: { type: 'string' },
    },
    auth: { kind: 'bearer', token: '{{ config.token }}' },
    rates: [
      { limit: 50, per: '1s' },
      { scope: 'recipient', limit: 1, per: '5s', burst: 3, cost: 'segments' },
      { concurrency: 4 },
    ],
    request: { url: '{{ config.url }}/send', body: { to: '{{ message.to }}', text: '{{ message.content }}' } },
    success: { status: ['2xx'] },
    errors: [{ name: 'credentials', match: { status: [401] }, class: 'config' }],
    probe: { url: '{{ config.url }}/me', success: { status: [200] } },
    ...more,
  })
}

/** What an operator fills in for it. */
export function filledIn(config: ConnectionInput['config'] = {}, connector = 'example@1'): ConnectionInput {
  return { connector, config: { url: 'https://example.com', token: 'tok_first', ...config }, enabled: true }
}

/** The connectors of this repository. */
export const shippedDir = fileURLToPath(new URL('../../../connectors/', import.meta.url))

export const keys = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] as const

/** Folders of this test alone, gone after it. */
export async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'outlets-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  let written = 0
  return {
    path,
    of: (name: string) => join(path, name),
    /** Under another time at every write, so that no two look alike on a file system with coarse times. */
    async write(name: string, text: string): Promise<void> {
      await writeFile(join(path, name), text)
      const at = new Date(Date.UTC(2026, 0, 1) + ++written * 1_000)
      await utimes(join(path, name), at, at)
    },
    remove: (name: string) => rm(join(path, name)),
    removeAll: () => rm(path, { recursive: true }),
  }
}

/** An HTTP target that answers every request alike, and remembers it. */
export async function target(status: number, body = '{}') {
  const seen: { url: string | undefined; authorization: string | undefined; body: string }[] = []
  const answer = { status }
  const server = createServer((request: IncomingMessage, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (piece: string) => (text += piece))
    request.on('end', () => {
      seen.push({ url: request.url, authorization: request.headers.authorization, body: text })
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(body)
    })
  })
  return { url: await listen(server), seen, answer }
}

/** Opens it on a free port until the test ends. @returns its address without a path. */
export async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return `http://127.0.0.1:${port}`
}

export interface WorldOptions extends Partial<Pick<RegistryDeps, 'sealer' | 'environment' | 'store' | 'builtIn'>> {
  readonly shippedDir?: string
  readonly ownDir?: string
  readonly connectionsFile?: string
}

/** A registry over a shipped connector `example@1`, not yet started. */
export async function world(options: WorldOptions = {}) {
  const shipped = await folder()
  await shipped.write('example.yaml', connectorText('example'))
  const clock = new ManualClock()
  const logger = new RecordingLogger()
  const memory = new MemoryConnectionStore(() => clock.now())
  const store = options.store ?? memory
  const sealer = options.sealer === undefined ? new Sealer(keys[0]) : options.sealer
  const dispatcher = new Agent({ keepAliveTimeout: 1_000 })
  const registry = new OutletRegistry(
    {
      shippedDir: options.shippedDir ?? shipped.path,
      ownDir: options.ownDir ?? null,
      connectionsFile: options.connectionsFile ?? null,
    },
    {
      store,
      sealer,
      environment: options.environment ?? {},
      clock,
      logger,
      builtIn: options.builtIn ?? [],
      kindOf: (connector) => kindOfConnector(connector, { dispatcher, clock, version: '1.2.3' }),
    },
  )
  const checkUrl = (url: string) => (url.includes('10.0.0.1') ? 'this address may not be called' : null)
  const admin = new OutletAdmin({ registry, store, sealer, clock, checkUrl })
  onTestFinished(async () => {
    await registry.stop()
    await dispatcher.destroy()
  })
  /** Lets the poller look again and again, since it reads real files, until this is so. */
  const tick = (until: () => boolean) =>
    eventually(async () => {
      await clock.advance(pollMs)
      return until()
    })
  return { registry, admin, store: memory, clock, logger, tick, shipped }
}

export function aMessage(changes: Partial<Claimed> = {}): Claimed {
  return aClaim(undefined, { recipient: '+15550100', content: 'Hello', ...changes })
}
