import { randomUUID } from 'node:crypto'
import type { ConfirmChannel, Options } from 'amqplib'
import type { Lane } from '../domain/notification.ts'
import type { PublishResult } from '../port/broker.ts'
import type { Telemetry } from '../port/telemetry.ts'
import type { ConnectionSupervisor } from './connection.ts'
import { type KeepAliveDeps, keepAlive, within } from './keep-alive.ts'
import type { Link, OpenChannel } from './link.ts'
import type { BrokerStatus } from './status.ts'
import type { Topology } from './topology.ts'

interface PublisherSettings {
  /** Longest wait for one confirm. */
  readonly confirmTimeoutMs: number
  /** Messages the broker has not answered yet; beyond it a publish is refused at once. */
  readonly maxUnconfirmed: number
}

interface PublisherDeps extends KeepAliveDeps {
  readonly connection: ConnectionSupervisor
  readonly topology: Topology
  readonly status: BrokerStatus
  readonly telemetry: Pick<Telemetry, 'publishUnconfirmed' | 'bound' | 'refused'>
}

/** A message the broker has not answered. It keeps its place after its time-out: the bound counts what is really out. */
interface Pending {
  returned: boolean
  readonly answered: Promise<PublishResult>
}

interface Message {
  readonly exchange: string
  readonly key: string
  readonly body: Buffer
  readonly options: Options.Publish
}

interface Open extends OpenChannel<ConfirmChannel> {
  readonly link: Link
}

const part = 'publisher'
/** Also repairs what was removed while nobody published. */
const topologyCheckMs = 60_000

/** Confirmed, persistent, mandatory publishing over a channel that is opened anew for ever. */
export class Publisher {
  readonly #settings: PublisherSettings
  readonly #deps: PublisherDeps
  readonly #stop = new AbortController()
  readonly #pending = new Map<string, Pending>()
  readonly #instance = randomUUID()
  #sequence = 0
  #open: Open | null = null
  #wake = new AbortController()
  #loop: Promise<void> | null = null

  constructor(settings: PublisherSettings, deps: PublisherDeps) {
    this.#settings = settings
    this.#deps = deps
  }

  start(): void {
    const { status } = this.#deps
    status.expect(part)
    this.#loop ??= keepAlive(
      () => this.#session(),
      this.#stop.signal,
      (reason) => status.bad(part, reason),
      this.#deps,
    )
  }

  /** Gives confirms under way up to `flushMs`, then ends the channel. */
  async stop(flushMs: number): Promise<void> {
    const open = this.#open
    this.#open = null
    const answers = Promise.allSettled([...this.#pending.values()].map((pending) => pending.answered))
    if (open !== null) await within(answers, flushMs, 'flush confirms', this.#deps.clock).catch(() => undefined)
    this.#stop.abort(new Error('stopped'))
    await this.#loop
  }

  /** Never rejects; answers within the confirm time-out. */
  publish(lane: Lane, body: Buffer): Promise<PublishResult> {
    const { names } = this.#deps.topology
    if (!this.#deps.topology.isUsable(lane)) return this.#refuse()
    return this.#send({ exchange: names.exchange, key: names.key(lane), body, options: envelopeOptions })
  }

  /** Sets a message aside that nobody could read. Never rejects. */
  park(body: Buffer, headers: Readonly<Record<string, string | number>>): Promise<PublishResult> {
    return this.#send({ exchange: '', key: this.#deps.topology.names.parked, body, options: { headers } })
  }

  /** The topology is checked again now, not at its next turn. */
  checkTopology(): void {
    this.#wake.abort()
  }

  #refuse(): Promise<PublishResult> {
    this.#deps.telemetry.publishUnconfirmed(1)
    return Promise.resolve('unconfirmed')
  }

  #send(message: Message): Promise<PublishResult> {
    const open = this.#open
    const isFull = this.#pending.size >= this.#settings.maxUnconfirmed
    if (isFull) this.#deps.telemetry.refused('publishes', 1)
    if (open === null || open.link.blockedBecause !== null || isFull) return this.#refuse()
    this.#sequence += 1
    const messageId = `${this.#instance}:${this.#sequence}`
    const { promise, resolve } = Promise.withResolvers<PublishResult>()
    const pending: Pending = { returned: false, answered: promise }
    const timer = this.#deps.clock.timeout(this.#settings.confirmTimeoutMs)
    const answer = (result: PublishResult) => {
      timer.clear()
      resolve(result)
    }
    timer.signal.addEventListener('abort', () => this.#timedOut(open, answer), { once: true })
    const onConfirm = (error: unknown) => {
      this.#pending.delete(messageId)
      this.#showBound()
      answer(error === null && !pending.returned ? 'confirmed' : 'unconfirmed')
    }
    this.#pending.set(messageId, pending)
    this.#showBound()
    try {
      const options = { ...message.options, persistent: true, mandatory: true, messageId }
      // `false` means "buffered, will be sent": the bound on unconfirmed messages is what holds us back.
      open.channel.publish(message.exchange, message.key, message.body, options, onConfirm)
    } catch (error) {
      onConfirm(error)
    }
    return this.#counted(promise)
  }

  #showBound(): void {
    this.#deps.telemetry.bound('publishes', { inUse: this.#pending.size, limit: this.#settings.maxUnconfirmed })
  }

  async #counted(answered: Promise<PublishResult>): Promise<PublishResult> {
    const result = await answered
    if (result === 'unconfirmed') this.#deps.telemetry.publishUnconfirmed(1)
    return result
  }

  // Confirms of one lane can stay away for ever while the connection is well (its queue has lost its majority). When
  // they hold all places, a new channel gives the other lanes room again.
  #timedOut(open: Open, answer: (result: PublishResult) => void): void {
    answer('unconfirmed')
    const isFull = this.#pending.size >= this.#settings.maxUnconfirmed
    if (!isFull || open !== this.#open || open.link.blockedBecause !== null) return
    this.#open = null
    void open.link.closeChannel(open.channel)
  }

  async #session(): Promise<void> {
    const { connection, topology, status } = this.#deps
    const link = await connection.nextLink(this.#stop.signal)
    const opened = await link.open('open confirm channel', link.model.createConfirmChannel())
    const { channel, ended } = opened
    try {
      channel.on('return', (message) => this.#returned(message.properties.messageId))
      let agrees = await topology.assertAll(link)
      const end = AbortSignal.any([ended, this.#stop.signal])
      end.throwIfAborted()
      this.#open = { ...opened, link }
      status.good(part)
      while (!end.aborted) {
        agrees = await this.#tendTopology(link, agrees, end)
      }
      throw end.reason
    } finally {
      this.#open = null
      await link.closeChannel(channel)
    }
  }

  async #tendTopology(link: Link, agrees: boolean, end: AbortSignal): Promise<boolean> {
    const { clock, backOff, topology } = this.#deps
    this.#wake = new AbortController()
    const pauseMs = agrees ? topologyCheckMs : backOff.maxDelayMs
    await clock.sleep(pauseMs, AbortSignal.any([end, this.#wake.signal])).catch(() => undefined)
    return end.aborted ? agrees : topology.assertAll(link)
  }

  // The return of a message comes before its confirm.
  #returned(messageId: unknown): void {
    const pending = typeof messageId === 'string' ? this.#pending.get(messageId) : undefined
    if (pending !== undefined) pending.returned = true
    this.checkTopology()
  }
}

const envelopeOptions: Options.Publish = { contentType: 'application/json' }
