import { isDeepStrictEqual } from 'node:util'
import type { ConnectionId } from '../../domain/connection.ts'
import { messageOf } from '../../domain/errors.ts'
import type { Clock } from '../../port/clock.ts'
import type { Claimed } from '../../port/notification-store.ts'
import {
  type BrokenLimit,
  type Bucket,
  type MessageTexts,
  type Outlet,
  type TryResult,
  unansweredTry,
} from '../../port/outlet.ts'
import type { Logger } from '../../port/telemetry.ts'
import type { OpenOutlet } from './kind.ts'
import type { ConnectionEntry, Settings } from './state.ts'

/**
 * A replaced outlet is kept open this long: whoever was handed it may still wait for a permit before its send.
 * Longer than any usual attempt; a send that comes later still is told to come back.
 */
const graceMs = 60_000

/** An outlet that counts the sends under way, so that it is closed after the last of them. */
class LiveOutlet implements Outlet {
  readonly id: ConnectionId
  readonly connector: string
  readonly repeatable: boolean
  readonly buckets: readonly Bucket[]
  readonly settings: Settings
  readonly #inner: OpenOutlet
  #underWay = 0
  #closed = false

  constructor(settings: Settings, inner: OpenOutlet) {
    this.settings = settings
    this.#inner = inner
    this.id = inner.id
    this.connector = inner.connector
    this.repeatable = inner.repeatable
    this.buckets = inner.buckets
  }

  get isIdle(): boolean {
    return this.#underWay === 0
  }

  segments(message: Claimed): number {
    return this.#inner.segments(message)
  }

  brokenLimit(texts: MessageTexts): BrokenLimit | null {
    return this.#inner.brokenLimit(texts)
  }

  send(message: Claimed, signal: AbortSignal): Promise<TryResult> {
    return this.#counted(() => this.#inner.send(message, signal))
  }

  probe(signal: AbortSignal): Promise<TryResult | null> {
    return this.#counted(() => this.#inner.probe(signal))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#inner.close()
  }

  async #counted<T>(work: () => Promise<T>): Promise<T | TryResult> {
    if (this.#closed) return replaced
    this.#underWay++
    try {
      return await work()
    } finally {
      this.#underWay--
    }
  }
}

const replaced: TryResult = {
  class: 'transient',
  ...unansweredTry,
  code: 'connection_replaced',
  message: 'the connection was changed while this attempt waited; nothing was sent',
}

interface Retired {
  readonly outlet: LiveOutlet
  readonly sinceMs: number
}

/** The open outlets: one for each connection that may send. */
export class LiveOutlets {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #logger: Logger
  readonly #live = new Map<ConnectionId, LiveOutlet>()
  #retired: readonly Retired[] = []
  #problems: ReadonlyMap<ConnectionId, string> = new Map()

  constructor({ clock, logger }: { readonly clock: Pick<Clock, 'monotonicMs'>; readonly logger: Logger }) {
    this.#clock = clock
    this.#logger = logger
  }

  get(id: ConnectionId): Outlet | null {
    return this.#live.get(id) ?? null
  }

  /** Whether it is the connection as it now stands: not replaced, and not one that only goes on as it was before. */
  isCurrent(outlet: Outlet): boolean {
    return this.get(outlet.id) === outlet && this.problemOf(outlet.id) === null
  }

  /** Why a connection cannot be opened as it stands; it may send all the same, as it was before. */
  problemOf(id: ConnectionId): string | null {
    return this.#problems.get(id) ?? null
  }

  /**
   * Opens, keeps and retires outlets until they are as `entries` say. One that cannot be opened as it stands goes on as it
   * was: a key that is missing in one process, or a connector that is being mended, should not stop what worked.
   */
  sync(entries: Iterable<ConnectionEntry>): void {
    const wanted = new Set<ConnectionId>()
    const problems = new Map<ConnectionId, string>()
    for (const { connection, settings } of entries) {
      const { id, enabled, pause } = connection
      if ('problem' in settings) problems.set(id, settings.problem)
      if (!enabled || pause !== null) continue
      wanted.add(id)
      if ('problem' in settings) continue
      const problem = this.#open(id, settings)
      if (problem !== null) problems.set(id, problem)
    }
    for (const [id, outlet] of this.#live) if (!wanted.has(id)) this.#retire(id, outlet)
    this.#tell(problems)
  }

  /** Closes what was retired long enough ago and has no send under way. */
  async closeRetired(): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    const isDone = ({ outlet, sinceMs }: Retired) => outlet.isIdle && nowMs - sinceMs >= graceMs
    const done = this.#retired.filter(isDone)
    this.#retired = this.#retired.filter((one) => !isDone(one))
    await this.#closeAll(done.map(({ outlet }) => outlet))
  }

  /** At the stop, when no sends are left. */
  async close(): Promise<void> {
    const all = [...this.#live.values(), ...this.#retired.map(({ outlet }) => outlet)]
    this.#live.clear()
    this.#retired = []
    await this.#closeAll(all)
  }

  #open(id: ConnectionId, settings: Settings): string | null {
    const old = this.#live.get(id)
    if (
      old !== undefined &&
      old.settings.kind === settings.kind &&
      isDeepStrictEqual(old.settings.config, settings.config)
    ) {
      return null
    }
    try {
      const outlet = new LiveOutlet(settings, settings.kind.open(id, settings.config))
      if (old !== undefined) this.#retire(id, old)
      this.#live.set(id, outlet)
      return null
    } catch (error) {
      return messageOf(error)
    }
  }

  #retire(id: ConnectionId, outlet: LiveOutlet): void {
    this.#live.delete(id)
    this.#retired = [...this.#retired, { outlet, sinceMs: this.#clock.monotonicMs() }]
  }

  async #closeAll(outlets: readonly LiveOutlet[]): Promise<void> {
    const closings = await Promise.allSettled(outlets.map((outlet) => outlet.close()))
    for (const closing of closings) {
      if (closing.status === 'rejected') {
        this.#logger.warn('a connection did not close cleanly', { reason: messageOf(closing.reason) })
      }
    }
  }

  #tell(problems: ReadonlyMap<ConnectionId, string>): void {
    for (const [connection, problem] of problems) {
      if (this.#problems.get(connection) === problem) continue
      const serves = this.#live.has(connection) ? 'it goes on as it was' : 'it sends nothing'
      this.#logger.warn(`a connection cannot be used as it stands; ${serves}`, { connection, problem })
    }
    this.#problems = problems
  }
}
