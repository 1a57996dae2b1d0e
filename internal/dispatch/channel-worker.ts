import { messageOf } from '../domain/errors.ts'
import type { Channel } from '../domain/notification.ts'
import { envelopeRefsMax, lookAgainMs, waitInPlaceMaxMs } from '../domain/protocol.ts'
import type { Delivery, Reference } from '../port/broker.ts'
import type { Clock } from '../port/clock.ts'
import type { Claimed, NotificationStore } from '../port/notification-store.ts'
import type { RateLimiter } from '../port/rate-limiter.ts'
import type { Bound, Logger, Telemetry } from '../port/telemetry.ts'
import type { Deliver } from './deliver.ts'
import { SendPermits } from './permits.ts'
import { chunk } from './publish.ts'
import { OpenEnvelope, ReadyList, type ReadyReference } from './ready-list.ts'
import { SendSlots, unsettledMax } from './send-slots.ts'

export interface ChannelWorkerDeps {
  /** While so many rows wait for their 202 that sends should leave them the processor. Default: never. */
  readonly isAcceptPressed?: () => boolean
  readonly store: Pick<NotificationStore, 'claim' | 'defer'>
  readonly rateLimiter: RateLimiter
  readonly deliver: Deliver
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep' | 'endOfTurn'>
  readonly telemetry: Pick<Telemetry, 'claimed' | 'rateLimitWaited' | 'bound'>
  readonly logger: Logger
  readonly wakeScanIn: (ms: number) => void
}

export interface ChannelWorkerSettings {
  /** Sends under way at once. */
  readonly concurrency: number
  readonly leaseMs: number
  /** Names this process in the lease. */
  readonly owner: string
  /** Most references that the broker may have handed over unread; only shown. */
  readonly readyMax: number
}

const boundsOf = {
  SMS: { ready: 'ready_sms', unsettled: 'unsettled_sms' },
  EMAIL: { ready: 'ready_email', unsettled: 'unsettled_email' },
  PUSH: { ready: 'ready_push', unsettled: 'unsettled_push' },
  WEBHOOK: { ready: 'ready_webhook', unsettled: 'unsettled_webhook' },
  CHAT: { ready: 'ready_chat', unsettled: 'unsettled_chat' },
  INCIDENT: { ready: 'ready_incident', unsettled: 'unsettled_incident' },
} as const satisfies Record<Channel, Readonly<Record<'ready' | 'unsettled', Bound>>>

/** Claims under way at once: meanwhile slots become free and references arrive for the next, larger one. */
const claimsInFlightMax = 2
/** References that pay for a second claim beside the one under way. */
const claimWidenAt = 50
const deferGroupMax = 500
/** Between two tries of a claim that PostgreSQL did not answer. */
const claimAgainMs = 500

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
  #quiet = false
  readonly #slots: SendSlots
  /** Ready references that a batch under way may take once it has its permits. */
  #spokenFor = 0
  #claimCalls = 0
  #claimsInFlight = 0
  #paused = false
  #pumpIsDue = false

  constructor(channel: Channel, deps: ChannelWorkerDeps, settings: ChannelWorkerSettings) {
    this.#channel = channel
    this.#deps = deps
    this.#settings = settings
    this.#permits = new SendPermits(deps.rateLimiter, channel)
    this.#slots = new SendSlots(settings.concurrency, deps.isAcceptPressed ?? (() => false))
  }

  /** Notifications claimed and not settled. */
  get inFlight(): number {
    return this.#slots.unsettled
  }

  /** How many references may be taken the short way. */
  get room(): number {
    return this.#quiet || this.#paused ? 0 : this.#slots.roomBeside(this.#waiting)
  }

  /** Ready references that no batch under way has spoken for. */
  get #waiting(): number {
    return this.#ready.size - this.#spokenFor
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
    this.#pumpSoon()
  }

  /** Begins nothing new from here on; what arrives is kept for `stop` to give back. */
  quiesce(): void {
    this.#quiet = true
  }

  /** Gives back what was not begun, and waits for what is under way. Safe to call twice. */
  async stop(): Promise<void> {
    this.quiesce()
    this.#stop.abort(new Error('stopping'))
    giveBack(this.#ready.take(this.#ready.size))
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
  }

  /** Once in this turn of the event loop, when all sends that ended in it have freed their slots: one claim for all. */
  #pumpSoon(): void {
    if (this.#pumpIsDue) return
    this.#pumpIsDue = true
    this.#deps.clock.endOfTurn(() => {
      this.#pumpIsDue = false
      this.#pump()
    })
  }

  #pump(): void {
    for (let wanted = this.#beginnable(); wanted > 0; wanted = this.#beginnable()) {
      this.#slots.take(wanted)
      this.#spokenFor += wanted
      this.#claimsInFlight++
      this.#track(this.#begin(wanted))
    }
    if (this.#ready.size === 0 && this.#claimsInFlight === 0) this.#permits.forget()
    this.#showBounds()
  }

  #showBounds(): void {
    const { ready, unsettled } = boundsOf[this.#channel]
    const { telemetry } = this.#deps
    telemetry.bound(ready, { inUse: this.#ready.size, limit: this.#settings.readyMax })
    telemetry.bound(unsettled, { inUse: this.#slots.unsettled, limit: unsettledMax })
  }

  /** How many references the next claim takes; 0 = none begins now. */
  #beginnable(): number {
    if (this.#quiet || this.#paused || this.#claimsInFlight >= claimsInFlightMax) return 0
    const wanted = Math.min(this.#slots.open, envelopeRefsMax, this.#waiting)
    return wanted >= (this.#claimsInFlight === 0 ? 1 : claimWidenAt) ? wanted : 0
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) =>
        this.#deps.logger.error('worker fault', { channel: this.#channel, error: messageOf(error) }),
      )
      .finally(() => {
        this.#underWay.delete(tracked)
        this.#pumpSoon()
      })
    this.#underWay.add(tracked)
  }

  /**
   * Permits come before the claim: waiting for them costs no lease. And before the choice: what is sent next is decided
   * when it may be sent, so that HIGH work that comes during the wait goes first and every lane gets its share.
   */
  async #begin(wanted: number): Promise<void> {
    try {
      const { granted, retryAfterMs } = await this.#permits.take(wanted)
      const items = this.#quiet ? [] : this.#ready.takeFresh(granted, this.#deps.clock.monotonicMs() - lookAgainMs)
      this.#spokenFor -= wanted
      this.#slots.giveBack(wanted - items.length)
      this.#permits.putBack(granted - items.length)
      if (granted < wanted) this.#holdBack(retryAfterMs)
      if (items.length > 0) await this.#claim(items)
    } finally {
      this.#claimsInFlight--
    }
  }

  /** Nobody holds a message while waiting long: the rows move in the database, without burning an attempt. */
  #holdBack(retryAfterMs: number): void {
    this.#deps.telemetry.rateLimitWaited(this.#channel, retryAfterMs)
    this.#pause(Math.min(retryAfterMs, waitInPlaceMaxMs))
    if (retryAfterMs > waitInPlaceMaxMs) this.#track(this.#defer(this.#ready.take(this.#ready.size), retryAfterMs))
  }

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
    const leaseEndsAtMs = this.#deps.clock.monotonicMs() + this.#settings.leaseMs
    const refs = items.map((item) => item.ref)
    const claimed = await this.#claimUntilAnswered(refs, leaseEndsAtMs)
    if (claimed === null) {
      this.#slots.giveBack(items.length)
      giveBack(items)
      return
    }
    this.#deps.telemetry.claimed(this.#channel, { asked: items.length, won: claimed.length })
    this.#deliverAll(items, new Map(claimed.map((one) => [one.id, one])), leaseEndsAtMs)
  }

  /**
   * An answer that was lost leaves open whether the claim took effect, so the same call is repeated under the same owner
   * name: it then finds what is its own. The permits stay taken, or an outage would save up a burst.
   * @returns null when the worker has to stop, or half the lease went by.
   */
  async #claimUntilAnswered(refs: readonly Reference[], leaseEndsAtMs: number): Promise<readonly Claimed[] | null> {
    const { clock, store, logger } = this.#deps
    const { leaseMs } = this.#settings
    const owner = `${this.#settings.owner}#${++this.#claimCalls}`
    for (let isRepeat = false; ; isRepeat = true) {
      try {
        return await store.claim(refs, { owner, durationMs: leaseMs, isRepeat })
      } catch (error) {
        logger.warn('claim failed', { channel: this.#channel, error: messageOf(error) })
        const isLate = clock.monotonicMs() > leaseEndsAtMs - leaseMs / 2
        if (this.#quiet || isLate) return null
      }
      await clock.sleep(claimAgainMs, this.#stop.signal).catch(() => undefined)
    }
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
        this.#slots.unsettled++
        this.#track(this.#deliver(one, item, leaseEndsAtMs))
      }
    }
    this.#slots.giveBack(stale)
    this.#permits.putBack(stale)
  }

  async #deliver(claimed: Claimed, item: ReadyReference, leaseEndsAtMs: number): Promise<void> {
    let holdsSlot = true
    const freeSlot = () => {
      if (holdsSlot) this.#slots.giveBack(1)
      holdsSlot = false
    }
    const onSent = () => {
      freeSlot()
      this.#pumpSoon()
    }
    const onUnsent = () => this.#permits.putBack(1)
    try {
      await this.#deps.deliver(claimed, { leaseEndsAtMs, stopping: this.#quiet, onSent, onUnsent })
    } finally {
      freeSlot()
      this.#slots.unsettled--
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
