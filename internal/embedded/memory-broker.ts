import { DependencyUnavailableError, messageOf } from '../domain/errors.ts'
import { type Lane, lanes } from '../domain/notification.ts'
import { envelopeRefsMax, lookAgainMs } from '../domain/protocol.ts'
import type { Component } from '../lifecycle/component.ts'
import type {
  Broker,
  ConsumeOptions,
  Consumption,
  Delivery,
  Envelope,
  PublishResult,
  Reference,
} from '../port/broker.ts'
import type { Clock } from '../port/clock.ts'
import type { HealthCheck } from '../port/health.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'

export interface MemoryBrokerOptions {
  /** Envelopes that wait in one lane (10,000); beyond it publishes are refused. */
  readonly maxQueuedPerLane?: number
  /** Takes what still waits at a stop; without it that is dropped, and the rows are looked at again in their time. */
  readonly handBack?: (refs: readonly Reference[]) => Promise<void>
}

interface MemoryBrokerDeps {
  readonly logger: Logger
  readonly telemetry: Pick<Telemetry, 'dependencyUp' | 'consumersActive' | 'publishUnconfirmed' | 'bound' | 'refused'>
  readonly clock: Pick<Clock, 'monotonicMs'>
}

const maxQueuedPerLaneDefault = 10_000
/** As on RabbitMQ: a copy that is given back again and again is dropped, its row is looked at again. */
const deliveryLimit = 20

interface Copy {
  readonly envelope: Envelope
  readonly publishedMs: number
  /** Times it was given back. */
  returns: number
}

interface Consumer {
  readonly prefetch: number
  readonly onDelivery: (delivery: Delivery) => void
  unacknowledged: number
}

interface LaneState {
  readonly lane: Lane
  /** First in, first out. */
  readonly waiting: Copy[]
  /** The one that was served last stands last. */
  consumers: Consumer[]
  isScheduled: boolean
}

/** The broker inside the process. What it holds is gone with the process; the scan finds the rows again. */
export class MemoryBroker implements Broker, Component, HealthCheck {
  readonly name = 'rabbitmq'
  readonly #maxQueuedPerLane: number
  readonly #handBack: (refs: readonly Reference[]) => Promise<void>
  readonly #deps: MemoryBrokerDeps
  readonly #lanes: ReadonlyMap<string, LaneState>
  #isRunning = false
  #isStopped = false

  constructor(deps: MemoryBrokerDeps, options: MemoryBrokerOptions = {}) {
    this.#deps = deps
    this.#maxQueuedPerLane = options.maxQueuedPerLane ?? maxQueuedPerLaneDefault
    this.#handBack = options.handBack ?? (() => Promise.resolve())
    this.#lanes = new Map(
      lanes.map((lane) => [laneKey(lane), { lane, waiting: [], consumers: [], isScheduled: false }]),
    )
  }

  start(): Promise<void> {
    if (this.#isStopped || this.#isRunning) return Promise.resolve()
    this.#isRunning = true
    this.#deps.telemetry.dependencyUp('rabbitmq', true)
    for (const state of this.#lanes.values()) this.#schedule(state)
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isRunning = false
    this.#isStopped = true
    const left: Reference[] = []
    for (const state of this.#lanes.values()) {
      for (const { envelope } of state.waiting.splice(0)) left.push(...envelope.refs)
      state.consumers = []
    }
    this.#deps.telemetry.consumersActive(0)
    if (left.length > 0) await this.#handBack(left)
  }

  check(): Promise<void> {
    if (this.#isRunning) return Promise.resolve()
    return Promise.reject(new DependencyUnavailableError('rabbitmq', 'not running'))
  }

  publish(envelope: Envelope): Promise<PublishResult> {
    const state = this.#lanes.get(laneKey(envelope.lane))
    const isSound = envelope.refs.length >= 1 && envelope.refs.length <= envelopeRefsMax
    const isWanted = state !== undefined && isSound && this.#isRunning
    const hasRoom = isWanted && this.#hasRoom(state)
    if (isWanted && !hasRoom) this.#deps.telemetry.refused('local_envelopes', 1)
    if (!hasRoom) {
      this.#deps.telemetry.publishUnconfirmed(1)
      return Promise.resolve('unconfirmed')
    }
    const copy = { lane: state.lane, refs: envelope.refs.map(({ id, leaseToken }) => ({ id, leaseToken })) }
    state.waiting.push({ envelope: copy, publishedMs: this.#deps.clock.monotonicMs(), returns: 0 })
    this.#schedule(state)
    this.#showBound()
    return Promise.resolve('confirmed')
  }

  consume({ channels, prefetch, onDelivery }: ConsumeOptions): Consumption {
    if (this.#isStopped) return { stop: () => Promise.resolve() }
    const mine = new Map<LaneState, Consumer>()
    for (const state of this.#lanes.values()) {
      if (!channels.includes(state.lane.channel)) continue
      const consumer: Consumer = { prefetch, onDelivery, unacknowledged: 0 }
      state.consumers.push(consumer)
      mine.set(state, consumer)
      this.#schedule(state)
    }
    this.#countConsumers()
    return {
      stop: () => {
        for (const [state, consumer] of mine) state.consumers = state.consumers.filter((one) => one !== consumer)
        this.#countConsumers()
        return Promise.resolve()
      },
    }
  }

  #showBound(): void {
    const limit = this.#maxQueuedPerLane * this.#lanes.size
    const inUse = [...this.#lanes.values()].reduce((sum, { waiting }) => sum + waiting.length, 0)
    this.#deps.telemetry.bound('local_envelopes', { inUse, limit })
  }

  #countConsumers(): void {
    const counts = [...this.#lanes.values()].map((state) => state.consumers.length)
    this.#deps.telemetry.consumersActive(counts.reduce((sum, count) => sum + count, 0))
  }

  #hasRoom(state: LaneState): boolean {
    if (state.waiting.length >= this.#maxQueuedPerLane) this.#dropExpired(state)
    return state.waiting.length < this.#maxQueuedPerLane
  }

  #dropExpired(state: LaneState): void {
    const kept = state.waiting.findIndex((copy) => !this.#isExpired(copy))
    state.waiting.splice(0, kept === -1 ? state.waiting.length : kept)
  }

  #isExpired(copy: Copy): boolean {
    return this.#deps.clock.monotonicMs() - copy.publishedMs >= lookAgainMs
  }

  // Never from within publish, ack or requeue: a handler that publishes must not find itself called again.
  #schedule(state: LaneState): void {
    if (state.isScheduled || !this.#isRunning) return
    state.isScheduled = true
    setImmediate(() => {
      state.isScheduled = false
      this.#deliver(state)
      this.#showBound()
    })
  }

  #deliver(state: LaneState): void {
    for (;;) {
      const consumer = state.consumers.find((one) => one.unacknowledged < one.prefetch)
      const copy = consumer === undefined ? undefined : state.waiting.shift()
      if (consumer === undefined || copy === undefined) return
      if (this.#isExpired(copy)) continue
      state.consumers = [...state.consumers.filter((one) => one !== consumer), consumer]
      this.#hand(state, consumer, copy)
    }
  }

  #hand(state: LaneState, consumer: Consumer, copy: Copy): void {
    consumer.unacknowledged += 1
    let isHeld = true
    const settle = (isDone: boolean) => {
      if (!isHeld) return
      isHeld = false
      consumer.unacknowledged -= 1
      if (!isDone) this.#giveBack(state, copy)
      this.#schedule(state)
    }
    const delivery: Delivery = { ...copy.envelope, ack: () => settle(true), requeue: () => settle(false) }
    try {
      consumer.onDelivery(delivery)
    } catch (error) {
      const reason = messageOf(error)
      this.#deps.logger.error('a delivery could not be handed on', { reason })
      delivery.requeue()
    }
  }

  #giveBack(state: LaneState, copy: Copy): void {
    copy.returns += 1
    if (this.#isStopped || copy.returns > deliveryLimit) return
    state.waiting.unshift(copy)
  }
}

function laneKey({ channel, priority }: Lane): string {
  return `${channel}.${priority}`
}
