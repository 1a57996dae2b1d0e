import { ConnectionHealth } from '../dispatch/connection-health.ts'
import { type Deliver, makeDeliver } from '../dispatch/deliver.ts'
import { makeRouter } from '../dispatch/router.ts'
import { makeSettle } from '../dispatch/settle.ts'
import type { ConnectionId, ConnectionPause, Route } from '../domain/connection.ts'
import { lanes, type NewNotification, type NotificationId } from '../domain/notification.ts'
import { MemoryBucketLimiter } from '../embedded/memory-bucket-limiter.ts'
import { MemoryOutletState } from '../embedded/memory-outlet-state.ts'
import { makeFailureCounter } from '../lifecycle/failure-counter.ts'
import type { Reference } from '../port/broker.ts'
import type { BucketLimiter } from '../port/bucket-limiter.ts'
import type { ConnectionState } from '../port/connection-telemetry.ts'
import {
  type BrokenLimit,
  type Bucket,
  type MessageTexts,
  type Outlet,
  type TryResult,
  unansweredTry,
} from '../port/outlet.ts'
import type { OutletState } from '../port/outlet-state.ts'
import { aNotification } from './builders.ts'
import { ManualClock, settle as turns } from './manual-clock.ts'
import type { ModelRow } from './model/row.ts'
import { ModelStore } from './model-store.ts'
import { RecordingLogger, RecordingTelemetry } from './telemetry.ts'

export function aTry(change: Partial<TryResult> = {}): TryResult {
  return {
    class: 'accepted',
    ...unansweredTry,
    code: change.class === undefined || change.class === 'accepted' ? null : `said_${change.class}`,
    message: null,
    statusCode: 200,
    ...change,
  }
}

interface FakeSend {
  readonly id: NotificationId
  readonly atMs: number
  abortedAfterMs: number | null
}

/** A connection whose answers a test decides. */
export class FakeOutlet implements Outlet {
  readonly id: ConnectionId
  readonly connector = 'fake@1'
  repeatable = false
  buckets: readonly Bucket[] = []
  /** Sends of a message take so long. */
  takesMs = 0
  answer: (message: { readonly recipient: string }) => TryResult = () => aTry()
  readonly sends: FakeSend[] = []
  readonly #clock: ManualClock

  constructor(id: ConnectionId, clock: ManualClock) {
    this.id = id
    this.#clock = clock
  }

  segments(): number {
    return 1
  }

  /** Of content, in characters. */
  contentMax = Infinity

  brokenLimit({ content }: MessageTexts): BrokenLimit | null {
    if (content.length <= this.contentMax) return null
    return { field: 'content', limit: this.contentMax, unit: 'chars', measured: content.length }
  }

  async send(message: { readonly id: NotificationId; readonly recipient: string }, signal: AbortSignal) {
    const atMs = this.#clock.monotonicMs()
    const sent: FakeSend = { id: message.id, atMs, abortedAfterMs: null }
    this.sends.push(sent)
    if (this.takesMs > 0) {
      await this.#clock.sleep(this.takesMs, signal).catch(() => {
        sent.abortedAfterMs = this.#clock.monotonicMs() - atMs
      })
    }
    return sent.abortedAfterMs === null ? this.answer(message) : aTry({ class: 'ambiguous' })
  }

  probe(): Promise<null> {
    return Promise.resolve(null)
  }
}

export interface RouteProcess {
  readonly deliver: Deliver
  readonly states: Map<ConnectionId, ConnectionState>
}

const leaseMs = 60_000

/** Real router, deliver and settle over fake connections, on one manual clock, over the store's model. */
export class RouteWorld {
  readonly clock = new ManualClock()
  readonly store: ModelStore
  readonly logger = new RecordingLogger()
  readonly outlets = new Map<ConnectionId, FakeOutlet>()
  /** Missing ones are disabled. */
  readonly disabled = new Set<ConnectionId>()
  readonly pauses: { readonly id: ConnectionId; readonly code: string; readonly reason: string }[] = []
  /** What the plain provider was given. */
  readonly plainSends: NotificationId[] = []
  route: Route | null = null
  state: OutletState
  buckets: BucketLimiter
  jobTimeoutMs = 10_000
  readonly #underWay = new Set<Promise<void>>()

  constructor(ttlMs = 86_400_000) {
    this.store = new ModelStore(() => this.clock.monotonicMs(), { ttlMs })
    this.state = new MemoryOutletState(this.clock)
    this.buckets = new MemoryBucketLimiter(this.clock)
  }

  routeOver(tiers: readonly (readonly ConnectionId[])[], change: Partial<Route> = {}): readonly FakeOutlet[] {
    for (const id of tiers.flat()) this.outlets.set(id, new FakeOutlet(id, this.clock))
    this.route = {
      channel: 'SMS',
      tag: null,
      tiers: tiers.map((tier) => ({ connections: tier.map((connection) => ({ connection, weight: 1 })) })),
      tryTimeoutMs: null,
      totalTimeoutMs: null,
      source: 'api',
      ...change,
    }
    return [...this.outlets.values()]
  }

  #pause(id: ConnectionId, pause: Pick<ConnectionPause, 'code' | 'reason'>): boolean {
    this.disabled.add(id)
    this.pauses.push({ id, ...pause })
    return true
  }

  process(): RouteProcess {
    const { clock, logger } = this
    const telemetry = new RecordingTelemetry()
    const states = new Map<ConnectionId, ConnectionState>()
    const byConnection = {
      connectionSend: () => undefined,
      connectionState: (id: ConnectionId, state: ConnectionState) => void states.set(id, state),
    }
    const health = new ConnectionHealth(
      { state: this.state, newFailureCounter: makeFailureCounter, clock, telemetry: byConnection, logger },
      { openMs: 30_000, openMaxMs: 300_000 },
    )
    const retry = { baseDelayMs: 1_000, maxDelayMs: 60_000, maxJitterMs: 0 }
    const random = () => 0
    const router = makeRouter(
      {
        outlets: {
          routeFor: () => this.route,
          outlet: (id) => (this.disabled.has(id) ? null : (this.outlets.get(id) ?? null)),
        },
        buckets: this.buckets,
        health,
        pauser: { pause: async ({ id }, pause) => this.#pause(id, pause) },
        clock,
        telemetry: byConnection,
        logger,
        random,
        recipientKey: (_id, recipient) => `key of ${recipient}`,
      },
      { jobTimeoutMs: this.jobTimeoutMs, retry, waitersMax: 4 },
    )
    const giveUp = new AbortController().signal
    const common = { store: this.store, clock, telemetry, logger, giveUp, random, wakeScanIn: () => undefined }
    const settle = makeSettle(common, { maxInFlight: 2 })
    const provider = {
      name: 'plain',
      send: async ({ id }: { readonly id: NotificationId }) => {
        this.plainSends.push(id)
        return { kind: 'accepted', providerMessageId: null, statusCode: 200, responseExcerpt: null } as const
      },
    }
    const deliver = makeDeliver({ ...common, settle, provider, router }, { jobTimeoutMs: this.jobTimeoutMs, retry })
    return { deliver, states }
  }

  /** Accepted and taken up by the process at once. */
  async send(process: RouteProcess, change: Partial<NewNotification> = {}): Promise<NotificationId> {
    const item = aNotification(change)
    await this.store.accept([[item]])
    await this.#take(process, [{ id: item.id, leaseToken: 0 }])
    await turns()
    return item.id
  }

  /** Lets time pass; what becomes due is taken up by the processes in turn. */
  async pass(ms: number, ...processes: readonly RouteProcess[]): Promise<void> {
    const endMs = this.clock.monotonicMs() + ms
    let turn = 0
    for (;;) {
      await this.store.expireDue(lanes, 1_000)
      const released = await this.store.releaseDue(lanes.map((lane) => ({ ...lane, count: 1_000 })))
      for (const ref of released) {
        const process = processes[turn++ % processes.length]
        if (process !== undefined) await this.#take(process, [ref])
      }
      await turns()
      const leftMs = endMs - this.clock.monotonicMs()
      if (leftMs <= 0) return
      const nextMs = (await this.store.nextDueInMs(lanes)) ?? leftMs
      const stepMs = this.clock.pending > 0 ? Math.min(nextMs, 25) : nextMs
      await this.clock.advance(Math.min(Math.max(stepMs, 1), leftMs))
    }
  }

  row(id: NotificationId): ModelRow {
    const row = this.store.rows.get(id)
    if (row === undefined) throw new Error(`no row ${id}`)
    return row
  }

  /** `connection outcome` of each attempt. */
  attempts(id: NotificationId): readonly string[] {
    return this.row(id).attempts.map(({ connection, outcome }) => `${connection ?? '-'} ${outcome}`)
  }

  async #take(process: RouteProcess, refs: readonly Reference[]): Promise<void> {
    const leaseEndsAtMs = this.clock.monotonicMs() + leaseMs
    const owner = `test ${this.#owners++}`
    for (const claimed of await this.store.claim(refs, { owner, durationMs: leaseMs })) {
      const done = process
        .deliver(claimed, { leaseEndsAtMs, stopping: false, onSent: () => undefined })
        .finally(() => this.#underWay.delete(done))
      this.#underWay.add(done)
    }
  }
  #owners = 0
}

export const transient = () => aTry({ class: 'transient', code: 'http_503', statusCode: 503 })

/** Two tiers. */
export function primaryAndSecondary(world: RouteWorld, change: Partial<Route> = {}) {
  const [a, b] = world.routeOver([['a'], ['b']], change)
  if (a === undefined || b === undefined) throw new Error('two connections were asked for')
  return { a, b }
}

export function single(world: RouteWorld, change: Partial<Route> = {}): FakeOutlet {
  const [a] = world.routeOver([['a']], change)
  if (a === undefined) throw new Error('a connection was asked for')
  return a
}
