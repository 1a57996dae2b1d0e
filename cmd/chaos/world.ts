import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Random } from '../../internal/testkit/random.ts'
import type { TcpProxy } from '../../internal/testkit/tcp-proxy.ts'
import type { Sink } from '../sink/server.ts'
import { type Facts, type Pace, readDeliveries } from './check/facts.ts'
import type { Violation } from './check/violation.ts'
import { Evidence } from './evidence.ts'
import { type Ground, openGround, type ProfileName, type Servers } from './ground.ts'
import { History } from './history.ts'
import { Load } from './load.ts'
import { probeSettings } from './memory.ts'
import { createConnections } from './providers/api.ts'
import { plannedConnections, plannedRoutes } from './providers/plan.ts'
import { Targets } from './providers/targets.ts'
import { type LinkName, Replica } from './replica.ts'
import { watchRig } from './rig-watch.ts'

export interface WorldOptions {
  readonly profile: ProfileName
  readonly replicas: number
  /** For the logs; made when missing. */
  readonly folder: string
  readonly random: Random
  /** Of each channel per second; default 0 = no limit. */
  readonly limit?: number
  /** Of the notifications, those that go over connections; default 0. */
  readonly viaShare?: number
  /** Planted in the engines, to show that it is found. */
  readonly leak?: 'heap' | 'files' | null
}

export const jobTimeoutMs = 2_000
export const leaseMs = 22_000
const workerConcurrency = 16

/**
 * On servers every other engine, the first one too, sends all its work through RabbitMQ, or faults of it would meet little. The
 * others, and those with built-in parts, store what they can send at once as claimed.
 */
const takesLongWay = (profile: ProfileName, index: number) => profile === 'services' && index % 2 === 0
/** Everything as quick as the engine allows; the lease is the shortest for this job timeout. */
const quick = {
  APP_HOST: '127.0.0.1',
  LOG_FORMAT: 'json',
  LOG_LEVEL: 'warn',
  RETRY_BASE_DELAY_MS: '100',
  RETRY_MAX_DELAY_MS: '1000',
  RETRY_SCAN_INTERVAL: '250ms',
  RETRY_SCAN_LIMIT: '500',
  MAX_RETRIES: '12',
  JOB_TIMEOUT: `${jobTimeoutMs}ms`,
  LEASE_SECONDS: String(leaseMs / 1_000),
  WORKER_CONCURRENCY: String(workerConcurrency),
  SHUTDOWN_TIMEOUT: '15s',
}
/** Engines on a ground of their own, with targets, a client and everybody's logs. */
export class World {
  readonly ground: Ground
  readonly targets: Targets
  readonly evidence: Evidence
  readonly history: History
  readonly load: Load
  readonly folder: string
  /** Of each channel per second; 0 = no limit. */
  readonly limit: number
  readonly replicas: readonly Replica[]
  /** What was seen to be wrong while it happened; the checker adds what the logs tell. */
  readonly wrong: Violation[]
  /** Worth a look, and no violation. */
  readonly remarks: string[] = []
  readonly #sinkFile: string
  readonly #arrivals: Arrivals
  readonly #stopWatching: () => Promise<void>

  private constructor(
    parts: Pick<World, 'ground' | 'targets' | 'evidence' | 'load' | 'replicas' | 'wrong'>,
    arrivals: Arrivals,
    { folder, limit = 0 }: WorldOptions,
  ) {
    this.ground = parts.ground
    this.targets = parts.targets
    this.evidence = parts.evidence
    this.load = parts.load
    this.replicas = parts.replicas
    this.wrong = parts.wrong
    this.history = new History(() => parts.ground.databaseUrl(), parts.ground.schema)
    this.#arrivals = arrivals
    this.folder = folder
    this.limit = limit
    this.#sinkFile = path.join(folder, 'deliveries.jsonl')
    this.#stopWatching = watchRig(parts.evidence, parts.targets.sink)
  }

  /** All engines run and are ready when it resolves. */
  static async open(options: WorldOptions): Promise<World> {
    const { folder, profile, limit = 0, leak = null, viaShare = 0 } = options
    mkdirSync(folder, { recursive: true })
    const arrivals = new Arrivals()
    const logFile = path.join(folder, 'deliveries.jsonl')
    const wrong: Violation[] = []
    const targets = await Targets.start(
      { logFile, maxKept: 0, onAnswered: ({ content }) => arrivals.note(content) },
      viaShare > 0,
      (text) => wrong.push({ invariant: 3, text }),
    )
    const evidence = new Evidence(path.join(folder, 'evidence.jsonl'))
    const ground = await openGround(profile)
    const replicas: Replica[] = []
    const urls = () => replicas.filter((one) => one.isRunning).map((one) => one.engine.url)
    const load = new Load({
      file: path.join(folder, 'accepted.jsonl'),
      urls,
      random: options.random.fork(),
      viaShare,
      onWrong: (text) => wrong.push({ invariant: 9, text }),
    })
    const via = targets.settings(folder)
    try {
      for (let index = 0; index < options.replicas; index++) {
        const { links, settings } = await ground.link(targets.addresses)
        const probe = probeSettings(path.join(folder, `memory-${index}.json`), leak)
        const way = { WORKER_SHORTCUT: String(!takesLongWay(profile, index)) }
        const all = { ...quick, ...way, RATE_LIMIT_PER_SEC: String(limit), ...probe, ...via, ...settings }
        const onUnexpectedEnd = (text: string) =>
          wrong.push({ invariant: 0, text: `an engine ended by itself: ${text}` })
        replicas.push(await Replica.prepare(index, ground.folder, all, links, { evidence, onUnexpectedEnd }))
      }
      const world = new World({ ground, targets, evidence, load, replicas, wrong }, arrivals, options)
      await Promise.all(replicas.map((replica) => replica.start()))
      await Promise.all(replicas.map((replica) => replica.engine.untilReady()))
      await world.history.install()
      await world.#connect()
      return world
    } catch (error) {
      await Promise.all(replicas.map((replica) => replica.kill9()))
      await targets.close()
      await ground.close()
      throw error
    }
  }

  get sink(): Sink {
    return this.targets.sink
  }

  /** Whether something goes over connections. */
  get isVia(): boolean {
    return this.targets.providers !== null
  }

  async #connect(): Promise<void> {
    const { providers, signingSecret } = this.targets
    const [first] = this.replicas
    if (providers !== null && first !== undefined) {
      await createConnections(first.engine.client, providers.url, [signingSecret])
    }
  }

  /** @throws Error where they are built in. */
  get servers(): Servers {
    if (this.ground.servers === null) throw new Error('this profile has no servers')
    return this.ground.servers
  }

  /** Whether a target answers a delivery whose content holds `text` from now on. */
  arrival(text: string, withinMs: number): Promise<boolean> {
    return this.#arrivals.next(text, withinMs)
  }

  /** Of all engines. */
  links(name: LinkName): readonly TcpProxy[] {
    return this.replicas.flatMap((replica) => replica.links[name] ?? [])
  }

  get peakBytes(): number {
    for (const replica of this.replicas) if (replica.isRunning) replica.sample()
    return Math.max(...this.replicas.map((replica) => replica.peakBytes))
  }

  /** Starts every engine that does not run. */
  async revive(): Promise<void> {
    await Promise.all(this.replicas.filter(({ isRunning }) => !isRunning).map((replica) => replica.start()))
  }

  async facts(): Promise<Facts> {
    const [rows, attempts, changes] = await Promise.all([
      this.history.rows(),
      this.history.attempts(),
      this.history.changes(),
    ])
    const deliveries = await readDeliveries(this.#sinkFile, rows)
    const { disturbances, lives, fairSpans } = this.evidence
    return {
      promised: this.load.promised.entries,
      deliveries,
      rows,
      attempts,
      changes,
      disturbances,
      lives,
      jobTimeoutMs,
      connections: plannedConnections,
      routes: plannedRoutes,
      pace: this.#pace(),
      counters: { replicas: this.replicas.length, areShared: this.ground.servers !== null },
      fairSpans,
      slots: workerConcurrency * this.replicas.length,
    }
  }

  #pace(): Pace | null {
    const { limit } = this
    if (limit === 0) return null
    return { perSecond: limit, burst: Math.max(1, Math.floor(limit / 10)) } // the engine's own default
  }

  async close(): Promise<void> {
    await this.load.stop()
    await this.#stopWatching()
    await Promise.all(this.replicas.map((replica) => replica.terminate()))
    this.load.close()
    await this.targets.close()
    await this.ground.close()
    this.evidence.close()
  }
}

/** Tells who waits for a certain delivery. */
class Arrivals {
  readonly #waiting = new Set<(content: string) => void>()

  note(content: string | null): void {
    for (const tell of this.#waiting) tell(content ?? '')
  }

  async next(text: string, withinMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const look = (content: string) => {
      if (content.includes(text)) resolve(true)
    }
    const timer = setTimeout(() => resolve(false), withinMs)
    this.#waiting.add(look)
    return promise.finally(() => {
      clearTimeout(timer)
      this.#waiting.delete(look)
    })
  }
}
