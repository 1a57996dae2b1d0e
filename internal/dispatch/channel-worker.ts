import { messageOf } from '../domain/errors.ts'
import type { Channel } from '../domain/notification.ts'
import { envelopeRefsMax, lookAgainMs, waitInPlaceMaxMs } from '../domain/protocol.ts'
import type { Delivery } from '../port/broker.ts'
import type { Clock } from '../port/clock.ts'
import type { Claimed, NotificationStore } from '../port/notification-store.ts'
import type { RateLimiter } from '../port/rate-limiter.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import type { Deliver } from './deliver.ts'
import { SendPermits } from './permits.ts'
import { chunk } from './publish.ts'
import { OpenEnvelope, ReadyList, type ReadyReference } from './ready-list.ts'

export interface ChannelWorkerDeps {
  readonly store: Pick<NotificationStore, 'claim' | 'defer'>
  readonly rateLimiter: RateLimiter
  readonly deliver: Deliver
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  readonly telemetry: Pick<Telemetry, 'claimed' | 'rateLimitWaited'>
  readonly logger: Logger
  readonly wakeScanIn: (ms: number) => void
}

export interface ChannelWorkerSettings {
  /** Sends under way at once. */
  readonly concurrency: number
  readonly leaseMs: number
  /** Names this process in the lease. */
  readonly owner: string
}

/** Claims under way at once: meanwhile slots become free and references arrive for the next, larger one. */
const claimsInFlightMax = 2
/** Attempts that were sent and wait for their settle; beyond it nothing new is claimed. */
const unsettledMax = 1_000
const deferGroupMax = 500
const pauseAfterFaultMs = 500

/**
 * The worker of one channel: permit → claim → send → settle. Each channel has its own slots, so that a slow provider
 * cannot starve the others.
 */
export class ChannelWorker {
  readonly #channel: Channel
  readonly #deps: ChannelWorkerDeps
  readonly #settings: ChannelWorkerSettings
  readonly #ready = new ReadyList()
  readonly #permits: SendPermits
  readonly #stop = new AbortController()
  readonly #underWay = new Set<Promise<void>>()
  #freeSlots: number
  #claimsInFlight = 0
  #unsettled = 0
  #paused = false

  constructor(channel: Channel, deps: ChannelWorkerDeps, settings: ChannelWorkerSettings) {
    this.#channel = channel
    this.#deps = deps
    this.#settings = settings
    this.#permits = new SendPermits(deps.rateLimiter, channel)
    this.#freeSlots = settings.concurrency
  }

  /** Notifications claimed and not settled. */
  get inFlight(): number {
    return this.#unsettled
  }

  offer(delivery: Delivery): void {
    if (this.#stop.signal.aborted) {
      delivery.requeue()
      return
    }
    const envelope = new OpenEnvelope(delivery)
    const receivedAtMs = this.#deps.clock.monotonicMs()
    const { priority } = delivery.lane
    for (const ref of delivery.refs) this.#ready.push({ ref, priority, envelope, receivedAtMs })
    this.#pump()
  }

  /** Begins nothing new, gives back what was not begun, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopping'))
    giveBack(this.#ready.take(this.#ready.size))
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
  }

  #pump(): void {
    while (this.#mayBegin()) {
      const items = this.#takeFresh(Math.min(this.#freeSlots, envelopeRefsMax))
      if (items.length === 0) break
      this.#freeSlots -= items.length
      this.#claimsInFlight++
      this.#track(this.#begin(items))
    }
    if (this.#ready.size === 0 && this.#claimsInFlight === 0) this.#permits.forget()
  }

  #mayBegin(): boolean {
    return (
      !this.#stop.signal.aborted &&
      !this.#paused &&
      this.#ready.size > 0 &&
      this.#freeSlots > 0 &&
      this.#claimsInFlight < claimsInFlightMax &&
      this.#unsettled < unsettledMax
    )
  }

  /** Passes by copies that waited longer than the look-again time: the scan has published their rows anew. */
  #takeFresh(count: number): ReadyReference[] {
    const oldestMs = this.#deps.clock.monotonicMs() - lookAgainMs
    const fresh: ReadyReference[] = []
    while (fresh.length < count) {
      const taken = this.#ready.take(count - fresh.length)
      if (taken.length === 0) break
      for (const item of taken) {
        if (item.receivedAtMs > oldestMs) fresh.push(item)
        else item.envelope.done()
      }
    }
    return fresh
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) =>
        this.#deps.logger.error('worker fault', { channel: this.#channel, error: messageOf(error) }),
      )
      .finally(() => {
        this.#underWay.delete(tracked)
        this.#pump()
      })
    this.#underWay.add(tracked)
  }

  /** Permits come before the claim: waiting for them costs no lease. */
  async #begin(items: readonly ReadyReference[]): Promise<void> {
    try {
      const { granted, retryAfterMs } = await this.#permits.take(items.length)
      const refused = items.slice(granted)
      if (refused.length > 0) {
        this.#freeSlots += refused.length
        await this.#holdBack(refused, retryAfterMs)
      }
      if (granted > 0) await this.#claim(items.slice(0, granted))
    } finally {
      this.#claimsInFlight--
    }
  }

  async #holdBack(refused: readonly ReadyReference[], retryAfterMs: number): Promise<void> {
    if (this.#stop.signal.aborted) return giveBack(refused)
    this.#deps.telemetry.rateLimitWaited(this.#channel, retryAfterMs)
    this.#pause(Math.min(retryAfterMs, waitInPlaceMaxMs))
    if (retryAfterMs <= waitInPlaceMaxMs) this.#ready.putBack(refused)
    else await this.#defer([...refused, ...this.#ready.take(this.#ready.size)], retryAfterMs)
  }

  /** Nobody holds a message while waiting long: the rows move in the database, without burning an attempt. */
  async #defer(items: readonly ReadyReference[], delayMs: number): Promise<void> {
    for (const group of chunk(items, deferGroupMax)) {
      try {
        await this.#deps.store.defer(group.map(({ ref }) => ({ ...ref, delayMs })))
      } catch (error) {
        // The rows stay due; the scan finds them.
        this.#deps.logger.warn('defer failed', { channel: this.#channel, error: messageOf(error) })
      }
      for (const item of group) item.envelope.done()
    }
    this.#deps.wakeScanIn(delayMs)
  }

  async #claim(items: readonly ReadyReference[]): Promise<void> {
    const { clock, store, telemetry } = this.#deps
    const { leaseMs, owner } = this.#settings
    const leaseEndsAtMs = clock.monotonicMs() + leaseMs
    let claimed: ReadonlyMap<string, Claimed>
    try {
      const refs = items.map((item) => item.ref)
      claimed = new Map((await store.claim(refs, { owner, durationMs: leaseMs })).map((one) => [one.id, one]))
    } catch (error) {
      return this.#claimFailed(items, error)
    }
    telemetry.claimed(this.#channel, { asked: items.length, won: claimed.size })
    this.#deliverAll(items, new Map(claimed), leaseEndsAtMs)
  }

  /** Whether the claim took effect is unknown. If it did, the copy is stale now and the lease ends by itself. */
  #claimFailed(items: readonly ReadyReference[], error: unknown): void {
    this.#freeSlots += items.length
    this.#deps.logger.warn('claim failed', { channel: this.#channel, error: messageOf(error) })
    if (this.#stop.signal.aborted) return giveBack(items)
    this.#ready.putBack(items)
    this.#permits.putBack(items.length)
    this.#pause(pauseAfterFaultMs)
  }

  #deliverAll(items: readonly ReadyReference[], claimed: Map<string, Claimed>, leaseEndsAtMs: number): void {
    let stale = 0
    for (const item of items) {
      const one = claimed.get(item.ref.id)
      // Two copies of one reference may stand in one claim: the second is stale.
      claimed.delete(item.ref.id)
      if (one === undefined) {
        stale++
        item.envelope.done()
      } else {
        this.#unsettled++
        this.#track(this.#deliver(one, item, leaseEndsAtMs))
      }
    }
    this.#freeSlots += stale
    this.#permits.putBack(stale)
  }

  async #deliver(claimed: Claimed, item: ReadyReference, leaseEndsAtMs: number): Promise<void> {
    let holdsSlot = true
    const freeSlot = () => {
      if (holdsSlot) this.#freeSlots++
      holdsSlot = false
    }
    const onSent = () => {
      freeSlot()
      this.#pump()
    }
    try {
      await this.#deps.deliver(claimed, { leaseEndsAtMs, stopping: this.#stop.signal.aborted, onSent })
    } finally {
      freeSlot()
      this.#unsettled--
      item.envelope.done()
    }
  }

  #pause(ms: number): void {
    if (this.#paused) return
    this.#paused = true
    const over = this.#deps.clock.sleep(ms, this.#stop.signal).catch(() => undefined)
    this.#track(over.then(() => void (this.#paused = false)))
  }
}

function giveBack(items: readonly ReadyReference[]): void {
  for (const item of items) item.envelope.giveBack()
}
