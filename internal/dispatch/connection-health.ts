import type { ConnectionId } from '../domain/connection.ts'
import type { LearntLimit } from '../port/bucket-figures.ts'
import type { Clock } from '../port/clock.ts'
import type { ConnectionState, ConnectionTelemetry } from '../port/connection-telemetry.ts'
import type { TryClass } from '../port/outlet.ts'
import { coolingRecipientsMax, type OutletState, type SharedStanding } from '../port/outlet-state.ts'
import type { Logger } from '../port/telemetry.ts'

/** Counts how sends over one connection end, and says when they fail too often. */
export interface FailureCounter {
  success(): void
  /** @returns whether the breaker is to open. */
  failure(): boolean
}

export interface HealthDeps {
  readonly state: OutletState
  readonly newFailureCounter: () => FailureCounter
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly telemetry: ConnectionTelemetry
  readonly logger: Logger
}

export interface BreakerSettings {
  /** How long it stays open the first time; doubles with every send in vain of the half-open breaker. */
  readonly openMs: number
  readonly openMaxMs: number
}

/** What this process knows of a connection; times on the monotonic clock. */
interface Known {
  opens: number
  openUntilMs: number
  probingUntilMs: number
  coolUntilMs: number
  readonly recipients: Map<string, number>
  counter: FailureCounter
  /** Raised by every change made here, so that an older reading does not undo it. */
  changes: number
  readAtMs: number
  learntAtMs: number
  shown: ConnectionState | null
}

export type Standing = { readonly usableInMs: number; readonly state: ConnectionState }

/** What others say is believed for so long: they hear of each other's breakers and waits within this time. */
export const believedMs = 250
const learnEveryMs = 1_000
const probeLookAgainMs = 1_000
const knownMax = 1_000
/** A month: until then the longest quota is new. */
const coolMaxMs = 31 * 86_400_000

/** Who may be asked to send: circuit breakers, and waits that providers asked for, shared by all processes. */
export class ConnectionHealth {
  readonly #deps: HealthDeps
  readonly #settings: BreakerSettings
  readonly #known = new Map<ConnectionId, Known>()
  #reading: { readonly ids: ReadonlySet<ConnectionId>; readonly done: Promise<void> } | null = null

  constructor(deps: HealthDeps, settings: BreakerSettings) {
    this.#deps = deps
    this.#settings = settings
  }

  /** Null when what is known is young enough: then nobody waits. */
  refresh(ids: readonly ConnectionId[]): Promise<void> | null {
    const oldestMs = this.#deps.clock.monotonicMs() - believedMs
    const stale = ids.filter((id) => (this.#known.get(id)?.readAtMs ?? -Infinity) <= oldestMs)
    if (stale.length === 0) return null
    const reading = this.#reading
    if (reading !== null && stale.every((id) => reading.ids.has(id))) return reading.done
    const done = this.#read(stale).finally(() => {
      if (this.#reading?.done === done) this.#reading = null
    })
    this.#reading = { ids: new Set(stale), done }
    return done
  }

  standing(id: ConnectionId, recipientKey: () => string): Standing {
    const known = this.#of(id)
    const nowMs = this.#deps.clock.monotonicMs()
    const state = stateOf(known, nowMs)
    // A try of the half-open breaker mostly ends long before it would be given up.
    const probingMs = Math.min(known.probingUntilMs, nowMs + probeLookAgainMs)
    const breakerMs = known.opens === 0 ? 0 : Math.max(known.openUntilMs, probingMs)
    const recipientMs = known.recipients.size === 0 ? 0 : (known.recipients.get(recipientKey()) ?? 0)
    return { state, usableInMs: Math.max(0, Math.max(breakerMs, known.coolUntilMs, recipientMs) - nowMs) }
  }

  /** Whether this send may be the one that tries a half-open breaker, over all processes. */
  async probe(id: ConnectionId, holdMs: number): Promise<boolean> {
    const known = this.#of(id)
    if (known.probingUntilMs > this.#deps.clock.monotonicMs()) return false
    known.probingUntilMs = this.#deps.clock.monotonicMs() + holdMs
    known.changes++
    return (await this.#deps.state.probe(id, holdMs)) ?? true
  }

  /** @param probed this send was the one that tried the half-open breaker. */
  ended(id: ConnectionId, tried: TryClass, probed: boolean): void {
    const known = this.#of(id)
    const failed = tried === 'transient' || tried === 'ambiguous'
    if (probed) {
      if (failed) this.#open(id, known)
      else this.#close(id, known)
    } else if (known.opens === 0) {
      if (!failed) known.counter.success()
      else if (known.counter.failure()) this.#open(id, known)
    }
    this.#show(id, known)
  }

  /** @param recipientKey null = everything over the connection waits. */
  cool(id: ConnectionId, forMs: number, recipientKey: string | null): void {
    const known = this.#of(id)
    const ms = Math.min(forMs, coolMaxMs)
    const untilMs = this.#deps.clock.monotonicMs() + ms
    if (recipientKey === null) known.coolUntilMs = Math.max(known.coolUntilMs, untilMs)
    else known.recipients.set(recipientKey, Math.max(known.recipients.get(recipientKey) ?? 0, untilMs))
    forget(known.recipients, this.#deps.clock.monotonicMs())
    this.#deps.state.cool(id, ms, recipientKey)
    this.#show(id, known)
  }

  /** Told to the others at most once a second: people look at it, nothing is decided by it. */
  learn(id: ConnectionId, limit: LearntLimit): void {
    const known = this.#of(id)
    const nowMs = this.#deps.clock.monotonicMs()
    if (nowMs - known.learntAtMs < learnEveryMs) return
    known.learntAtMs = nowMs
    this.#deps.state.learn(id, limit)
  }

  #open(id: ConnectionId, known: Known): void {
    const { openMs, openMaxMs } = this.#settings
    known.opens++
    const forMs = Math.min(openMs * 2 ** (known.opens - 1), openMaxMs)
    known.openUntilMs = this.#deps.clock.monotonicMs() + forMs
    this.#changed(known)
    this.#deps.state.open(id, known.opens, forMs)
    this.#deps.logger.warn('connection fails: its breaker is open', { connection: id, forMs })
  }

  #close(id: ConnectionId, known: Known): void {
    known.opens = 0
    this.#changed(known)
    this.#deps.state.close(id)
    this.#deps.logger.info('connection works again: its breaker is closed', { connection: id })
  }

  #changed(known: Known): void {
    known.probingUntilMs = 0
    known.changes++
    known.counter = this.#deps.newFailureCounter()
  }

  async #read(ids: readonly ConnectionId[]): Promise<void> {
    const before = ids.map((id) => this.#of(id).changes)
    const all = await this.#deps.state.read(ids)
    const nowMs = this.#deps.clock.monotonicMs()
    for (const [index, id] of ids.entries()) {
      const known = this.#of(id)
      // Without the others each process goes by what it saw itself.
      known.readAtMs = nowMs
      const shared = all?.[index]
      if (shared !== undefined) this.#believe(known, shared, known.changes === before[index])
      this.#show(id, known)
    }
  }

  #believe(known: Known, shared: SharedStanding, isNewer: boolean): void {
    const nowMs = this.#deps.clock.monotonicMs()
    // The longer wait holds: one may have been asked for while the others were out of reach.
    known.coolUntilMs = Math.max(known.coolUntilMs, nowMs + shared.coolingForMs)
    for (const [key, forMs] of shared.coolingRecipients) {
      known.recipients.set(key, Math.max(known.recipients.get(key) ?? 0, nowMs + forMs))
    }
    forget(known.recipients, nowMs)
    if (!isNewer) return
    if ((known.opens === 0) !== (shared.opens === 0)) known.counter = this.#deps.newFailureCounter()
    known.opens = shared.opens
    known.openUntilMs = nowMs + shared.openForMs
    known.probingUntilMs = nowMs + shared.probingForMs
  }

  #of(id: ConnectionId): Known {
    const found = this.#known.get(id)
    if (found !== undefined) return found
    if (this.#known.size >= knownMax) this.#forgetOne()
    const known: Known = {
      opens: 0,
      openUntilMs: 0,
      probingUntilMs: 0,
      coolUntilMs: 0,
      recipients: new Map(),
      counter: this.#deps.newFailureCounter(),
      changes: 0,
      readAtMs: -Infinity,
      learntAtMs: -Infinity,
      shown: null,
    }
    this.#known.set(id, known)
    return known
  }

  /** Connections come and go; one that is well loses nothing but its count of failures. */
  #forgetOne(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    const ids = [...this.#known.keys()]
    const well = ids.find((id) => {
      const known = this.#known.get(id)
      return known !== undefined && stateOf(known, nowMs) === 'closed'
    })
    const oldest = well ?? ids[0]
    if (oldest !== undefined) this.#known.delete(oldest)
  }

  #show(id: ConnectionId, known: Known): void {
    const state = stateOf(known, this.#deps.clock.monotonicMs())
    if (state === known.shown) return
    known.shown = state
    this.#deps.telemetry.connectionState(id, state)
  }
}

function stateOf(known: Known, nowMs: number): ConnectionState {
  if (known.opens > 0) return known.openUntilMs > nowMs ? 'open' : 'half_open'
  return known.coolUntilMs > nowMs ? 'cooling' : 'closed'
}

/** Waits that are over, and the first of those that are too many. */
function forget(recipients: Map<string, number>, nowMs: number): void {
  if (recipients.size === 0) return
  for (const [key, untilMs] of recipients) if (untilMs <= nowMs) recipients.delete(key)
  for (const key of recipients.keys()) {
    if (recipients.size <= coolingRecipientsMax) return
    recipients.delete(key)
  }
}
