import type { Channel, ConsumeMessage } from 'amqplib'
import type { Lane } from '../domain/notification.ts'
import type { ConsumeOptions } from '../port/broker.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { decodeRefs } from './codec.ts'
import type { ConnectionSupervisor } from './connection.ts'
import { aborted, errorText, type KeepAliveDeps, keepAlive, within } from './keep-alive.ts'
import type { Link } from './link.ts'
import type { Publisher } from './publisher.ts'
import type { BrokerStatus } from './status.ts'
import type { Topology } from './topology.ts'

interface LaneConsumerSettings extends Pick<ConsumeOptions, 'prefetch' | 'onDelivery'> {
  readonly lane: Lane
  /** Longest wait for the broker's word that a consumer is cancelled. */
  readonly closeTimeoutMs: number
}

interface LaneConsumerDeps extends KeepAliveDeps {
  readonly connection: ConnectionSupervisor
  readonly topology: Topology
  readonly publisher: Pick<Publisher, 'park'>
  readonly status: BrokerStatus
  readonly logger: Logger
  readonly telemetry: Pick<Telemetry, 'parked'>
  /** +1 when this consumer begins to take messages, -1 when it does not any more. */
  readonly onActive: (change: 1 | -1) => void
}

/** Longest part of an unreadable message that is kept. */
const parkedBytesMax = 65_536
const parkAgainMs = 1_000

/** One consumer of one lane, on its own channel, made anew after every end of consumer, channel or connection. */
export class LaneConsumer {
  readonly #settings: LaneConsumerSettings
  readonly #deps: LaneConsumerDeps
  readonly #part: string
  readonly #stop = new AbortController()
  #loop: Promise<void> | null = null

  constructor(settings: LaneConsumerSettings, deps: LaneConsumerDeps) {
    this.#settings = settings
    this.#deps = deps
    this.#part = `consumer of ${deps.topology.names.queue(settings.lane)}`
  }

  start(): void {
    const { status } = this.#deps
    status.expect(this.#part)
    this.#loop ??= keepAlive(
      () => this.#session(),
      this.#stop.signal,
      (reason) => status.bad(this.#part, reason),
      this.#deps,
    )
  }

  /** Takes nothing new from here on; what is in hand can still be settled. Bounded. */
  async stop(): Promise<void> {
    const { status, clock } = this.#deps
    this.#stop.abort(new Error('stopped'))
    const ending = this.#loop ?? Promise.resolve()
    await within(ending, this.#settings.closeTimeoutMs, 'stop consumer', clock).catch(() => undefined)
    status.forget(this.#part)
  }

  async #session(): Promise<void> {
    const { connection, topology, status, onActive } = this.#deps
    const stop = this.#stop.signal
    const link = await connection.nextLink(stop)
    const { channel, ended } = await link.open('open channel', link.model.createChannel())
    const hand = new Hand(channel, ended, link)
    try {
      await topology.assertLane(link, this.#settings.lane)
      await link.ask('set prefetch', channel.prefetch(this.#settings.prefetch))
      stop.throwIfAborted()
      const queue = topology.names.queue(this.#settings.lane)
      const consuming = channel.consume(queue, (message) => this.#take(message, hand))
      const { consumerTag } = await link.ask('consume', consuming)
      onActive(1)
      status.good(this.#part)
      await aborted(AbortSignal.any([hand.ended, stop]))
      onActive(-1)
      hand.ended.throwIfAborted()
      await link.ask('cancel consumer', channel.cancel(consumerTag))
    } finally {
      if (stop.aborted) hand.closeWhenEmpty()
      else await link.closeChannel(channel)
    }
  }

  #take(message: ConsumeMessage | null, hand: Hand): void {
    if (message === null) return hand.end(new Error('the broker cancelled the consumer'))
    const held = hand.hold(message)
    if (this.#stop.signal.aborted) return held.requeue()
    const decoded = decodeRefs(message.content)
    if (decoded.kind === 'unreadable') {
      void this.#park(message, decoded.reason, held, hand)
      return
    }
    try {
      this.#settings.onDelivery({ lane: this.#settings.lane, refs: decoded.refs, ...held })
    } catch (error) {
      this.#deps.logger.error('a delivery could not be handed on', { part: this.#part, reason: errorText(error) })
      held.requeue()
    }
  }

  // Acknowledged only when the copy is safe; until then it stays in hand, so that it cannot circle.
  async #park(message: ConsumeMessage, reason: string, held: Held, hand: Hand): Promise<void> {
    const { publisher, telemetry, logger, clock, topology } = this.#deps
    const end = AbortSignal.any([hand.ended, this.#stop.signal])
    const bytes = message.content.length
    const headers = { queue: topology.names.queue(this.#settings.lane), reason, bytes }
    while (!end.aborted) {
      if ((await publisher.park(message.content.subarray(0, parkedBytesMax), headers)) === 'confirmed') {
        held.ack()
        telemetry.parked(1)
        logger.warn('an unreadable message was parked', { queue: headers.queue, reason, bytes })
        return
      }
      await clock.sleep(parkAgainMs, end).catch(() => undefined)
    }
    held.requeue()
  }
}

/** Closes over the channel that brought the message: a tag means nothing on another channel, and would end it. */
interface Held {
  ack(): void
  requeue(): void
}

/** What one channel has delivered and nobody has settled. */
class Hand {
  readonly #channel: Channel
  readonly #link: Link
  readonly #cancelled = new AbortController()
  readonly ended: AbortSignal
  #count = 0
  #closing = false

  constructor(channel: Channel, ended: AbortSignal, link: Link) {
    this.#channel = channel
    this.#link = link
    this.ended = AbortSignal.any([ended, this.#cancelled.signal])
  }

  end(reason: Error): void {
    this.#cancelled.abort(reason)
  }

  hold(message: ConsumeMessage): Held {
    this.#count += 1
    let isHeld = true
    const settle = (how: () => void) => {
      if (!isHeld) return
      isHeld = false
      this.#count -= 1
      // A channel that is gone throws; the broker has given its messages back already.
      try {
        how()
      } catch {
        return
      }
      this.#closeIfDone()
    }
    return {
      ack: () => settle(() => this.#channel.ack(message)),
      requeue: () => settle(() => this.#channel.nack(message, false, true)),
    }
  }

  closeWhenEmpty(): void {
    this.#closing = true
    this.#closeIfDone()
  }

  #closeIfDone(): void {
    if (this.#closing && this.#count === 0) void this.#link.closeChannel(this.#channel)
  }
}
