import { messageOf } from '../domain/errors.ts'
import type { Channel } from '../domain/notification.ts'
import { envelopeRefsMax, lookAgainMs, waitInPlaceMaxMs } from '../domain/protocol.ts'
import type { Delivery, Reference } from '../port/broker.ts'
import type { Clock } from '../port/clock.ts'
import type { Claimed, NotificationStore } from '../port/notification-store.ts'
import type { RateLimiter } from '../port/rate-limiter.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { type ClaimUntilAnswered, type Holding, makeClaimUntilAnswered } from './claim-until-answered.ts'
import { type DeferAll, makeDeferAll } from './defer-all.ts'
import type { Deliver } from './deliver.ts'
import { SendPermits } from './permits.ts'
import { giveBack, OpenEnvelope, ReadyList, type ReadyReference } from './ready-list.ts'
import { ownRounds, SendSlots, startedRounds } from './send-slots.ts'
import { type StartedRow, StartedRows } from './started-rows.ts'
import { showBounds } from './worker-bounds.ts'

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
  /** Names one call of this process in the lease; a new name each time. */
  readonly newOwner: () => string
  /** No limit holds this channel back, so a send needs no permit. */
  readonly isUnpaced: boolean
  /** Most references that the broker may have handed over unread; only shown. */
  readonly readyMax: number
}

/** Claims under way at once: meanwhile slots become free and references arrive for the next, larger one. */
const claimsInFlightMax = 2
/** References that pay for a second claim beside the one under way. */
const claimWidenAt = 50

/**
 * The worker of one channel: permit → claim → send → settle. Each channel has its own slots, so that a slow provider
 * cannot starve the others.
 */
export class ChannelWorker {
  readonly #channel: Channel
  readonly #deps: ChannelWorkerDeps
  readonly #settings: ChannelWorkerSettings
  readonly #ready = new ReadyList()
  readonly #started = new StartedRows()
  readonly #permits: SendPermits
  readonly #stop = new AbortController()
  readonly #underWay = new Set<Promise<void>>()
  #quiet = false
  readonly #slots: SendSlots
  readonly #defer: DeferAll
  readonly #claimUntilAnswered: ClaimUntilAnswered
  /** Ready references that a batch under way may take once it has its permits. */
  #spokenFor = 0
  #claimsInFlight = 0
  /** References that a claim under way has taken. */
  #claiming = 0
  #paused = false
  #pumpIsDue = false

  constructor(channel: Channel, deps: ChannelWorkerDeps, settings: ChannelWorkerSettings) {
    this.#channel = channel
    this.#deps = deps
    this.#settings = settings
    this.#permits = new SendPermits(deps.rateLimiter, channel)
    this.#defer = makeDeferAll({ ...deps, channel })
    const mayRepeat = () => !this.#quiet
    const claimDeps = { ...deps, channel, mayRepeat, stop: this.#stop.signal }
    this.#claimUntilAnswered = makeClaimUntilAnswered(claimDeps, settings)
    this.#slots = new SendSlots(settings.concurrency, deps.isAcceptPressed ?? (() => false))
  }

  /** Notifications claimed and not settled. */
  get inFlight(): number {
    return this.#slots.unsettled
  }

  /** How many references may be taken the short way. */
  get room(): number {
    return this.#roomFor(ownRounds)
  }

  #roomFor(rounds: number): number {
    // More than that from the broker means that it holds a backlog, which nothing may pass.
    const isBehind = this.#ready.fromBroker > this.#settings.concurrency
    if (this.#quiet || this.#paused || isBehind) return 0
    return this.#slots.roomBeside(this.#waiting + this.#started.waiting, rounds)
  }

  /** Ready references that no batch under way has spoken for. */
  get #waiting(): number {
    return this.#ready.size - this.#spokenFor
  }

  /** @param isOwn it comes from this very process, the short way. */
  offer(delivery: Delivery, isOwn = false): void {
    if (this.#stop.signal.aborted) {
      delivery.requeue()
      return
    }
    const envelope = new OpenEnvelope(delivery)
    const receivedAtMs = this.#deps.clock.monotonicMs()
    const { priority } = delivery.lane
    for (const ref of delivery.refs) this.#ready.push({ ref, priority, envelope, receivedAtMs, isOwn })
    this.#pumpSoon()
  }

  /** How many of `count` rows that are about to be stored may be stored as claimed; 0 when others come first. */
  reserve(count: number): number {
    const reserved = this.#settings.isUnpaced ? Math.min(count, this.#roomFor(startedRounds)) : 0
    this.#started.promised += reserved
    return reserved
  }

  /** Sends what of `reserved` rows was stored as claimed. */
  begin(reserved: number, claimed: readonly Claimed[], leaseEndsAtMs: number): void {
    this.#started.promised -= reserved
    this.#slots.unsettled += claimed.length
    for (const one of claimed)
      this.#started.push({ priority: one.priority, claimed: one, leaseEndsAtMs, envelope: null })
    this.#pump()
  }

  /** For reserved rows whose accept was not answered: asks whether they are stored, and sends those that are. */
  async findOut(refs: readonly Reference[], holding: Holding): Promise<void> {
    const claimed = await this.#claimUntilAnswered(refs, holding, true)
    this.begin(refs.length, claimed ?? [], holding.leaseEndsAtMs)
  }

  /** Begins nothing new from here on; what arrives is kept for `stop` to give back. */
  quiesce(): void {
    this.#quiet = true
    this.#sendStarted(this.#started.size)
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
    this.#sendStarted(this.#quiet ? this.#started.size : this.#slots.open)
    for (let wanted = this.#beginnable(); wanted > 0; wanted = this.#beginnable()) {
      this.#claiming += wanted
      this.#spokenFor += wanted
      this.#claimsInFlight++
      this.#track(this.#begin(wanted))
    }
    if (this.#ready.size === 0 && this.#claimsInFlight === 0) this.#permits.forget()
    const ready = { inUse: this.#ready.size, limit: this.#settings.readyMax }
    showBounds(this.#deps.telemetry, this.#channel, ready, this.#slots.unsettled)
  }

  #sendStarted(count: number): void {
    const rows = this.#started.take(count)
    this.#slots.take(rows.length)
    for (const row of rows) this.#track(this.#deliver(row))
  }

  /** How many references the next claim takes; 0 = none begins now. */
  #beginnable(): number {
    if (this.#quiet || this.#paused || this.#claimsInFlight >= claimsInFlightMax) return 0
    const places = this.#slots.claimable(this.#started.size) - this.#claiming - this.#started.fromClaims
    const wanted = Math.min(places, envelopeRefsMax, this.#waiting)
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
      this.#claiming -= wanted - items.length
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

  async #claim(items: readonly ReadyReference[]): Promise<void> {
    const leaseEndsAtMs = this.#deps.clock.monotonicMs() + this.#settings.leaseMs
    const refs = items.map((item) => item.ref)
    const holding = { owner: this.#settings.newOwner(), leaseEndsAtMs }
    const claimed = await this.#claimUntilAnswered(refs, holding, false)
    this.#claiming -= items.length
    if (claimed === null) {
      giveBack(items)
      return
    }
    this.#deps.telemetry.claimed(this.#channel, { asked: items.length, won: claimed.length })
    this.#startAll(items, new Map(claimed.map((one) => [one.id, one])), leaseEndsAtMs)
    this.#pump()
  }

  #startAll(items: readonly ReadyReference[], claimed: Map<string, Claimed>, leaseEndsAtMs: number): void {
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
        this.#started.push({ priority: item.priority, claimed: one, leaseEndsAtMs, envelope: item.envelope })
      }
    }
    this.#permits.putBack(stale)
  }

  async #deliver({ claimed, envelope, leaseEndsAtMs }: StartedRow): Promise<void> {
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
      envelope?.done()
    }
  }

  #pause(ms: number): void {
    if (this.#paused) return
    this.#paused = true
    const over = this.#deps.clock.sleep(ms, this.#stop.signal).catch(() => undefined)
    this.#track(over.then(() => void (this.#paused = false)))
  }
}
