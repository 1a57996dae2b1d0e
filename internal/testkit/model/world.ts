import type { AcceptInput } from '../../dispatch/accept.ts'
import type { NotificationId } from '../../domain/notification.ts'
import { MemoryRateLimiter } from '../../embedded/memory-rate-limiter.ts'
import { limitsOf } from '../../port/conformance/rate-limiter.suite.ts'
import { ModelStore } from '../model-store.ts'
import { Random } from '../random.ts'
import { SimBroker } from './sim-broker.ts'
import { SimDatabase } from './sim-database.ts'
import { type Engine, type Surroundings, startEngine } from './sim-engine.ts'
import { SimProcess } from './sim-process.ts'
import { SimTarget } from './sim-target.ts'
import { type Bugs, noBugs } from './steps.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface WorldOptions {
  readonly seed: number
  /** Permits per second and channel; 0 = as many as one likes. */
  readonly perSecond: number
  /** Database, broker and target misbehave; else only what the commands do goes wrong. */
  readonly faults: boolean
  readonly bugs?: Bugs
}

interface Running {
  readonly process: SimProcess
  readonly engine: Engine
}

export const tenant = 'default'
const ttlMs = 600_000
const drainMs = 3_600_000
/** Long enough for every lease, back-off and worker in hand. */
const afterglowMs = 90_000

/** A whole installation on one virtual clock: up to three processes, their database, broker and target, and clients. */
export class World {
  readonly store: ModelStore
  readonly target: SimTarget
  readonly time: VirtualClock
  /** Ids that a client was answered 202 for. */
  readonly acceptedIds = new Set<NotificationId>()
  readonly #surroundings: Surroundings
  readonly #running: Running[] = []
  #started = 0
  #requests = 0

  constructor({ seed, perSecond, faults, bugs = noBugs }: WorldOptions) {
    const random = new Random(seed)
    const time = new VirtualClock(random)
    this.time = time
    this.store = new ModelStore(() => time.nowMs, { ttlMs, bugs })
    this.target = new SimTarget(time, random)
    const clock = { monotonicMs: () => time.nowMs }
    const rateLimiter = new MemoryRateLimiter(limitsOf({ perSecond, burst: Math.max(1, perSecond) }), clock)
    const database = new SimDatabase(this.store, time, random, bugs)
    const broker = new SimBroker(time, random)
    this.#surroundings = { time, random, database, broker, target: this.target, rateLimiter }
    this.target.refusalShare = 0.3
    this.target.slowShare = 0.5
    broker.lossShare = 0.1
    broker.repeatShare = 0.1
    if (!faults) return
    database.faultShare = 0.04
    this.target.unheardShare = 0.1
  }

  async startProcess(): Promise<void> {
    if (this.#running.length >= 3) return
    const { time, random, broker } = this.#surroundings
    const process = new SimProcess(`p${++this.#started}`, time, random, (dead) => {
      broker.lose(dead)
      const at = this.#running.findIndex((one) => one.process === dead)
      if (at !== -1) this.#running.splice(at, 1)
    })
    this.#running.push({ process, engine: await startEngine(process, this.#surroundings) })
  }

  crash(index: number, hops: number): void {
    this.#pick(index)?.process.crashAfter(hops)
  }

  pause(index: number, ms: number): void {
    this.#pick(index)?.process.pause(ms)
  }

  stop(index: number): void {
    const one = this.#pick(index)
    if (one !== undefined) void one.engine.stop().then(() => one.process.exit())
  }

  loseDatabase(ms: number): void {
    this.#surroundings.database.goAway(ms)
  }

  loseBroker(ms: number): void {
    this.#surroundings.broker.goAway(ms)
  }

  /** A client's request; with a key it is repeated until it is answered. */
  request(index: number, items: readonly AcceptInput[]): void {
    const one = this.#pick(index)
    const mayRepeat = items.every((item) => item.idempotencyKey !== null)
    let isAnswered = false
    const again = () => {
      if (!isAnswered && mayRepeat) this.request(index + 1, items)
    }
    if (one === undefined) return this.time.after(2_000, again)
    const note = async () => {
      const { notifications } = await one.engine.accept({ tenant, kind: 'single', items, traceparent: null })
      isAnswered = true
      for (const { notification } of notifications) this.acceptedIds.add(notification.id)
    }
    note().catch(() => undefined)
    this.time.after(20_000, again)
  }

  /** A key that no other request has. */
  freshKey(): string {
    return `key ${++this.#requests}`
  }

  cancel(index: number, at: number): void {
    const id = this.#idAt(at)
    if (id !== undefined)
      this.#pick(index)
        ?.engine.cancel(tenant, id)
        .catch(() => undefined)
  }

  replay(index: number, at: number, force: boolean): void {
    const id = this.#idAt(at)
    if (id !== undefined)
      this.#pick(index)
        ?.engine.replay({ tenant, id, force })
        .catch(() => undefined)
  }

  async pass(ms: number): Promise<void> {
    await this.time.runUntil(() => false, ms)
  }

  /** The faults end, and one process at least is there: everything must finish by itself. */
  async drain(): Promise<boolean> {
    const { database, broker } = this.#surroundings
    database.faultShare = 0
    this.target.unheardShare = 0
    broker.lossShare = 0
    database.comeBack()
    broker.comeBack()
    await this.startProcess()
    const isDone = () => this.store.unfinished === 0
    for (let round = 0; round < 3; round++) {
      // A process that was to die, or to stop, may do so only now.
      if (this.#running.length === 0) await this.startProcess()
      if (!(await this.time.runUntil(() => isDone() || this.#running.length === 0, drainMs))) return false
      await this.pass(afterglowMs)
      if (isDone()) return true
    }
    return isDone()
  }

  #pick(index: number): Running | undefined {
    return this.#running[index % Math.max(1, this.#running.length)]
  }

  #idAt(at: number): NotificationId | undefined {
    return [...this.store.rows.keys()][at % Math.max(1, this.store.rows.size)]
  }
}
