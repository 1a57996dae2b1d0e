import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Random } from '../../internal/testkit/random.ts'
import { type Sink, startSink } from '../sink/server.ts'
import { type Facts, type Pace, readDeliveries } from './check/facts.ts'
import type { Violation } from './check/violation.ts'
import { Evidence } from './evidence.ts'
import { type Ground, openGround, type ProfileName, type Servers } from './ground.ts'
import { History } from './history.ts'
import { Load } from './load.ts'
import { probeSettings } from './memory.ts'
import { type LinkName, Replica } from './replica.ts'

export interface WorldOptions {
  readonly profile: ProfileName
  readonly replicas: number
  /** For the logs; made when missing. */
  readonly folder: string
  readonly random: Random
  /** Of each channel per second; default 0 = no limit. */
  readonly limit?: number
  /** Planted in the engines, to show that it is found. */
  readonly leak?: 'heap' | 'files' | null
}

export const jobTimeoutMs = 2_000
export const leaseMs = 22_000
const workerConcurrency = 16

/** On servers everything goes the long way, through RabbitMQ, or faults of it would meet nothing; built-in, the short one. */
const ways = { services: { WORKER_SHORTCUT: 'false' }, embedded: {} } as const
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
/** The rig answers for targets: when it stalls itself, their answers are late. */
const stallMs = 400
const lookMs = 100

/** Engines on a ground of their own, with targets, a client and everybody's logs. */
export class World {
  readonly ground: Ground
  readonly sink: Sink
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
  readonly #stopWatching: () => void

  private constructor(
    parts: Pick<World, 'ground' | 'sink' | 'evidence' | 'load' | 'replicas' | 'wrong'>,
    arrivals: Arrivals,
    { folder, limit = 0 }: WorldOptions,
  ) {
    this.ground = parts.ground
    this.sink = parts.sink
    this.evidence = parts.evidence
    this.load = parts.load
    this.replicas = parts.replicas
    this.wrong = parts.wrong
    this.history = new History(() => parts.ground.databaseUrl(), parts.ground.schema)
    this.#arrivals = arrivals
    this.folder = folder
    this.limit = limit
    this.#sinkFile = path.join(folder, 'deliveries.jsonl')
    this.#stopWatching = watchStalls(parts.evidence)
  }

  /** All engines run and are ready when it resolves. */
  static async open(options: WorldOptions): Promise<World> {
    const { folder, profile, limit = 0, leak = null } = options
    mkdirSync(folder, { recursive: true })
    const arrivals = new Arrivals()
    const logFile = path.join(folder, 'deliveries.jsonl')
    const sink = await startSink({ logFile, maxKept: 0, onAnswered: ({ content }) => arrivals.note(content) })
    const evidence = new Evidence(path.join(folder, 'evidence.jsonl'))
    const wrong: Violation[] = []
    const ground = await openGround(profile)
    const replicas: Replica[] = []
    const urls = () => replicas.filter((one) => one.isRunning).map((one) => one.engine.url)
    const load = new Load(path.join(folder, 'accepted.jsonl'), urls, options.random.fork(), (text) =>
      wrong.push({ invariant: 9, text }),
    )
    try {
      for (let index = 0; index < options.replicas; index++) {
        const { links, settings } = await ground.link(sink.url)
        const probe = probeSettings(path.join(folder, `memory-${index}.json`), leak)
        const all = { ...quick, ...ways[profile], RATE_LIMIT_PER_SEC: String(limit), ...probe, ...settings }
        const onUnexpectedEnd = (text: string) =>
          wrong.push({ invariant: 0, text: `an engine ended by itself: ${text}` })
        replicas.push(await Replica.prepare(index, ground.folder, all, links, { evidence, onUnexpectedEnd }))
      }
      const world = new World({ ground, sink, evidence, load, replicas, wrong }, arrivals, options)
      await Promise.all(replicas.map((replica) => replica.start()))
      await Promise.all(replicas.map((replica) => replica.engine.untilReady()))
      await world.history.install()
      return world
    } catch (error) {
      await Promise.all(replicas.map((replica) => replica.kill9()))
      await sink.close()
      await ground.close()
      throw error
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

  /** One for each engine. */
  links(name: LinkName) {
    return this.replicas.flatMap((replica) => {
      const proxy = replica.links[name]
      return proxy === undefined ? [] : [{ proxy, replica }]
    })
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
    const [deliveries, rows, attempts, changes] = await Promise.all([
      readDeliveries(this.#sinkFile),
      this.history.rows(),
      this.history.attempts(),
      this.history.changes(),
    ])
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
      pace: this.#pace(),
      fairSpans,
      slots: workerConcurrency * this.replicas.length,
    }
  }

  #pace(): Pace | null {
    const { limit, ground, replicas } = this
    if (limit === 0) return null
    const burst = Math.max(1, Math.floor(limit / 10)) // the engine's own default
    return { perSecond: limit, burst, replicas: replicas.length, isShared: ground.servers !== null }
  }

  async close(): Promise<void> {
    await this.load.stop()
    this.#stopWatching()
    await Promise.all(this.replicas.map((replica) => replica.terminate()))
    this.load.close()
    await this.sink.close()
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

/** Writes down when this very process stood still. @returns what ends the watch. */
function watchStalls(evidence: Evidence): () => void {
  let lastMs = performance.now()
  const timer = setInterval(() => {
    const nowMs = performance.now()
    const lateMs = nowMs - lastMs - lookMs
    lastMs = nowMs
    if (lateMs < stallMs) return
    const end = evidence.disturb('target', `the rig itself stood still for ${Math.round(lateMs)} ms`)
    const one = evidence.disturbances.at(-1)
    if (one !== undefined) Object.assign(one, { from: Date.now() - lateMs - lookMs })
    end()
  }, lookMs)
  timer.unref()
  return () => clearInterval(timer)
}
