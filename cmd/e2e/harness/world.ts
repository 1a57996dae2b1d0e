import { afterAll, beforeAll, beforeEach } from 'vitest'
import { type Received, type Sink, startSink } from '../../sink/server.ts'
import type { Client } from './client.ts'
import { Engine, type Settings } from './engine.ts'
import type { Ground, Profile } from './ground.ts'

/**
 * Quick where waiting proves nothing, and without pace where pace is not the question. The lease is the shortest that
 * the engine allows for this job timeout: it is what a test with a kill -9 waits for.
 */
const common: Settings = {
  APP_HOST: '127.0.0.1',
  LOG_FORMAT: 'json',
  LOG_LEVEL: 'info',
  RATE_LIMIT_PER_SEC: '0',
  RETRY_BASE_DELAY_MS: '300',
  RETRY_SCAN_INTERVAL: '1s',
  JOB_TIMEOUT: '2s',
  LEASE_SECONDS: '22',
  SHUTDOWN_TIMEOUT: '12s',
}

export interface WorldOptions {
  readonly settings?: Settings
  /** What sets each engine apart, one entry an engine; default one engine. */
  readonly engines?: readonly Settings[]
  /** False: engines are only prepared. Default true. */
  readonly start?: boolean
}

/** Engines of one profile, the provider they send to, and what they stand on. One for all tests of a `describe`. */
export class World {
  #ground: Ground | null = null
  #sink: Sink | null = null
  #engines: Engine[] = []
  readonly #profile: Profile
  readonly #options: WorldOptions

  constructor(profile: Profile, options: WorldOptions) {
    this.#profile = profile
    this.#options = options
  }

  get ground(): Ground {
    return opened(this.#ground)
  }

  get sink(): Sink {
    return opened(this.#sink)
  }

  get engines(): readonly Engine[] {
    return this.#engines
  }

  /** The first one. */
  get engine(): Engine {
    return opened(this.#engines[0] ?? null)
  }

  get client(): Client {
    return this.engine.client
  }

  async open(): Promise<void> {
    this.#ground = await this.#profile.open()
    this.#sink = await startSink()
    for (const settings of this.#options.engines ?? [{}]) await this.prepareEngine(settings)
    if (this.#options.start ?? true) await Promise.all(this.#engines.map((engine) => engine.start()))
  }

  /** One more engine on the same ground, not started; it is stopped with the world. */
  async prepareEngine(settings: Settings = {}): Promise<Engine> {
    const { ground, sink } = this
    const all = { ...common, WEBHOOK_SITE_URL: sink.url, ...ground.settings, ...this.#options.settings, ...settings }
    const engine = await Engine.prepare(ground.folder, all)
    this.#engines.push(engine)
    return engine
  }

  /** What the provider got for a notification, in order: everything under its idempotency keys. */
  deliveriesOf(id: string): readonly Received[] {
    return this.sink.received().filter(({ key }) => key?.startsWith(`${id}:`) ?? false)
  }

  /** Everything that the provider got, by notification. */
  deliveries(): ReadonlyMap<string, readonly Received[]> {
    return Map.groupBy(this.sink.received(), ({ key }) => key?.split(':')[0] ?? '')
  }

  /** @throws Error when an engine does not stop in order, or leaves something behind. */
  async close(): Promise<void> {
    const problems = await Promise.all(this.#engines.map(stopInOrder))
    await this.#sink?.close()
    await this.#ground?.close()
    const found = problems.filter((problem) => problem !== null)
    if (found.length > 0) throw new Error(found.join('\n'))
  }
}

/** A world for the tests of this `describe`: opened before them, closed after them, its logs shown when one fails. */
export function useWorld(profile: Profile, options: WorldOptions = {}): World {
  const world = new World(profile, options)
  beforeAll(() => world.open())
  afterAll(() => world.close())
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => {
      for (const engine of world.engines) console.error(`engine on port ${engine.port}:\n${engine.lastLines}`)
    })
  })
  return world
}

async function stopInOrder(engine: Engine): Promise<string | null> {
  if (!engine.isRunning) return null
  try {
    const { code } = await engine.terminate()
    return code === 0 ? null : `a stop ended with exit code ${code}:\n${engine.lastLines}`
  } catch (error) {
    await engine.kill9()
    return error instanceof Error ? error.message : String(error)
  }
}

function opened<T>(part: T | null): T {
  if (part === null) throw new Error('the world is not open: use it inside of tests')
  return part
}
