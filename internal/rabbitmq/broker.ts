import { DependencyUnavailableError } from '../domain/errors.ts'
import { type Lane, lanes } from '../domain/notification.ts'
import { envelopeRefsMax } from '../domain/protocol.ts'
import type { RetryPolicy } from '../domain/retry-policy.ts'
import type { Component } from '../lifecycle/component.ts'
import type { Broker, ConsumeOptions, Consumption, Envelope, PublishResult } from '../port/broker.ts'
import type { Clock } from '../port/clock.ts'
import type { HealthCheck } from '../port/health.ts'
import type { ParkedMessages } from '../port/parked.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { encodeRefs } from './codec.ts'
import { ConnectionSupervisor } from './connection.ts'
import { errorText, type KeepAliveDeps, unless } from './keep-alive.ts'
import { LaneConsumer } from './lane-consumer.ts'
import type { Link } from './link.ts'
import { ParkedQueue } from './parked-queue.ts'
import { Publisher } from './publisher.ts'
import { BrokerStatus } from './status.ts'
import { Topology, TopologyNames } from './topology.ts'

/** Every time has its unit in its name; what is left out has the default. */
export interface RabbitBrokerOptions {
  /** `amqp://` or `amqps://`; never logged. */
  readonly url: string
  /** Version of the topology: the exchange's name and the start of every queue's (default `dispatch.v1`). */
  readonly prefix?: string
  /** Longest wait for one confirm (5 s). */
  readonly confirmTimeoutMs?: number
  /** Messages that the broker has not answered yet (1,000); beyond it publishes are refused at once. */
  readonly maxUnconfirmed?: number
  /** 10; the broker's documentation calls 5 to 20 sound, shorter ones raise false alarms. */
  readonly heartbeatSeconds?: number
  /** Longest wait for a connection with its handshake (5 s). */
  readonly connectTimeoutMs?: number
  /** Longest wait for one answer to a declaration (10 s). */
  readonly rpcTimeoutMs?: number
  /** Longest wait for each of: confirms under way at the stop, a cancelled consumer, a close (2 s). */
  readonly closeTimeoutMs?: number
  /** Pause before a lost connection, channel or consumer is made anew (0.2 s doubling to 5 s, jitter 250 ms). */
  readonly backOff?: RetryPolicy
}

interface RabbitBrokerDeps {
  readonly logger: Logger
  readonly telemetry: Pick<
    Telemetry,
    'dependencyUp' | 'consumersActive' | 'publishUnconfirmed' | 'parked' | 'bound' | 'refused'
  >
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
}

const defaults = {
  prefix: 'dispatch.v1',
  confirmTimeoutMs: 5_000,
  maxUnconfirmed: 1_000,
  heartbeatSeconds: 10,
  connectTimeoutMs: 5_000,
  rpcTimeoutMs: 10_000,
  closeTimeoutMs: 2_000,
  backOff: { baseDelayMs: 200, maxDelayMs: 5_000, maxJitterMs: 250 },
} as const satisfies Partial<RabbitBrokerOptions>

/**
 * RabbitMQ 3.10 and newer. Publishes and consumes over two connections, because an alarm of the broker blocks a
 * connection that publishes, consumers on it included. Every connection, channel and consumer has its own loop that
 * brings it back; nothing here waits for the broker but for the health check.
 */
export class RabbitBroker implements Broker, Component, HealthCheck {
  readonly name = 'rabbitmq'
  readonly parked: ParkedMessages
  readonly #settings: Required<RabbitBrokerOptions>
  readonly #deps: RabbitBrokerDeps
  readonly #status: BrokerStatus
  readonly #topology: Topology
  readonly #publishing: ConnectionSupervisor
  readonly #consuming: ConnectionSupervisor
  readonly #publisher: Publisher
  readonly #consumers = new Set<LaneConsumer>()
  readonly #keepAlive: KeepAliveDeps
  #active = 0
  #isStarted = false
  #stopping: Promise<void> | null = null
  #probing: Promise<void> | null = null

  constructor(options: RabbitBrokerOptions, deps: RabbitBrokerDeps) {
    this.#settings = { ...defaults, ...options }
    this.#deps = deps
    this.#keepAlive = { clock: deps.clock, random: deps.random, backOff: this.#settings.backOff }
    this.#status = new BrokerStatus(deps)
    this.#topology = new Topology(new TopologyNames(this.#settings.prefix), this.#status)
    const connectionDeps = { ...this.#keepAlive, status: this.#status }
    this.#publishing = new ConnectionSupervisor('publish', this.#settings, connectionDeps)
    this.#consuming = new ConnectionSupervisor('consume', this.#settings, connectionDeps)
    this.parked = new ParkedQueue(this.#topology.names.parked, { connection: this.#publishing, clock: deps.clock })
    this.#publisher = new Publisher(this.#settings, {
      ...connectionDeps,
      connection: this.#publishing,
      topology: this.#topology,
      telemetry: deps.telemetry,
    })
  }

  /** Resolves at once, with or without a broker: accepting needs none, and the loops find it when it comes. */
  start(): Promise<void> {
    if (this.#isStarted || this.#stopping !== null) return Promise.resolve()
    this.#isStarted = true
    this.#publishing.start()
    this.#publisher.start()
    if (this.#consumers.size > 0) this.#startConsumers([...this.#consumers])
    return Promise.resolve()
  }

  /** Gives confirms under way and consumers one close time-out, then connections another. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const consumers = [...this.#consumers].map((consumer) => consumer.stop())
    await Promise.all([...consumers, this.#publisher.stop(this.#settings.closeTimeoutMs)])
    await Promise.all([this.#publishing.stop(), this.#consuming.stop()])
  }

  async publish({ lane, refs }: Envelope): Promise<PublishResult> {
    if (refs.length < 1 || refs.length > envelopeRefsMax) {
      this.#deps.logger.error('an envelope of this size is never sent', { refs: refs.length })
      return 'unconfirmed'
    }
    return this.#publisher.publish(lane, encodeRefs(refs))
  }

  consume({ channels, prefetch, onDelivery }: ConsumeOptions): Consumption {
    if (this.#stopping !== null) return { stop: () => Promise.resolve() }
    const consumers = lanes
      .filter((lane) => channels.includes(lane.channel))
      .map((lane) => this.#makeConsumer(lane, prefetch, onDelivery))
    for (const consumer of consumers) this.#consumers.add(consumer)
    if (this.#isStarted) this.#startConsumers(consumers)
    return {
      stop: async () => {
        await Promise.all(consumers.map((consumer) => consumer.stop()))
        for (const consumer of consumers) this.#consumers.delete(consumer)
      },
    }
  }

  /**
   * Resolves when both connections, the publisher, every consumer and the topology are as they should be and the
   * broker answers a question about our exchange.
   * @throws DependencyUnavailableError that names every part that does not work, and why.
   */
  async check(signal: AbortSignal): Promise<void> {
    const { link } = this.#publishing
    const problem = this.#isStarted && this.#stopping === null ? this.#status.problem : 'not running'
    if (problem !== null || link === null) {
      throw new DependencyUnavailableError('rabbitmq', problem ?? 'not connected')
    }
    // One question at a time, however many ask: on a frozen link each would wait for its own time-out.
    this.#probing ??= this.#probe(link).finally(() => {
      this.#probing = null
    })
    await unless(signal, this.#probing).catch((error: unknown) => {
      throw new DependencyUnavailableError('rabbitmq', errorText(error), { cause: error })
    })
  }

  async #probe(link: Link): Promise<void> {
    const { channel } = await link.open('open channel', link.model.createChannel())
    try {
      await link.ask('look up exchange', channel.checkExchange(this.#topology.names.exchange))
    } catch (error) {
      this.#publisher.checkTopology()
      throw error
    } finally {
      await link.closeChannel(channel)
    }
  }

  #startConsumers(consumers: readonly LaneConsumer[]): void {
    this.#consuming.start()
    for (const consumer of consumers) consumer.start()
  }

  #makeConsumer(lane: Lane, prefetch: number, onDelivery: ConsumeOptions['onDelivery']): LaneConsumer {
    const { closeTimeoutMs } = this.#settings
    return new LaneConsumer(
      { lane, prefetch, onDelivery, closeTimeoutMs },
      {
        ...this.#keepAlive,
        connection: this.#consuming,
        topology: this.#topology,
        publisher: this.#publisher,
        status: this.#status,
        logger: this.#deps.logger,
        telemetry: this.#deps.telemetry,
        onActive: (change) => {
          this.#active += change
          this.#deps.telemetry.consumersActive(this.#active)
        },
      },
    )
  }
}
