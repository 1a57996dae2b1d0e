import type { Channel, ChannelModel } from 'amqplib'
import type { Clock } from '../port/clock.ts'
import { NoAnswerError, unless, within } from './keep-alive.ts'

export interface LinkTimes {
  /** Longest wait for one answer of the broker. */
  readonly rpcTimeoutMs: number
  /** Longest wait for a close to be answered; a frozen link never answers it. */
  readonly closeTimeoutMs: number
}

/** A channel and the signal that says it is gone (with the reason). */
export interface OpenChannel<C extends Channel> {
  readonly channel: C
  readonly ended: AbortSignal
}

/** One live connection, from its handshake to its end. The next connection is another link. */
export class Link {
  readonly model: ChannelModel
  readonly #socket: AbortController
  readonly #ended = new AbortController()
  readonly #times: LinkTimes
  readonly #clock: Clock
  #blockedBecause: string | null = null

  /** @param socket its signal was given to the socket: aborting it destroys the socket, whatever the peer does. */
  constructor(
    model: ChannelModel,
    socket: AbortController,
    times: LinkTimes,
    clock: Clock,
    onBlocked: (reason: string | null) => void,
  ) {
    this.model = model
    this.#socket = socket
    this.#times = times
    this.#clock = clock
    const closedBecause = reasonKeeper('connection closed')
    model.on('error', closedBecause.keep)
    model.on('handler-error', closedBecause.keep)
    // Only `close` ends a link: a broker that shuts down sends no `error`, a crash sends both.
    model.on('close', (error) => this.#ended.abort(error ?? closedBecause.reason()))
    model.on('blocked', (reason) => this.#setBlocked(reason, onBlocked))
    model.on('unblocked', () => this.#setBlocked(null, onBlocked))
  }

  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** Why the broker takes no publishes on this connection (memory or disk alarm); null when it does. */
  get blockedBecause(): string | null {
    return this.#blockedBecause
  }

  #setBlocked(reason: string | null, onBlocked: (reason: string | null) => void): void {
    this.#blockedBecause = reason
    onBlocked(reason)
  }

  /** Opens a channel whose every end is noticed: a channel closed by the broker raises nothing on the connection. */
  async open<C extends Channel>(what: string, opening: Promise<C>): Promise<OpenChannel<C>> {
    const channel = await this.ask(what, opening)
    const ended = new AbortController()
    const closedBecause = reasonKeeper('channel closed')
    channel.on('error', closedBecause.keep)
    channel.on('handler-error', closedBecause.keep)
    channel.on('close', () => {
      // The channels of a lost connection close just before the connection says why.
      queueMicrotask(() => ended.abort(this.ended.aborted ? this.ended.reason : closedBecause.reason()))
    })
    return { channel, ended: ended.signal }
  }

  /** Waits for one answer; a broker that gives none in time is treated as gone, so that the link is made anew. */
  async ask<T>(what: string, answer: Promise<T>): Promise<T> {
    return unless(this.ended, within(answer, this.#times.rpcTimeoutMs, what, this.#clock)).catch((error: unknown) => {
      if (error instanceof NoAnswerError) this.fail(error)
      throw this.ended.aborted ? this.ended.reason : error
    })
  }

  /** Closes one channel; never throws, never waits long. */
  async closeChannel(channel: Channel): Promise<void> {
    await this.#farewell(channel.close())
  }

  // A close that the other side does not answer, or that a lost connection overtakes, never settles.
  async #farewell(closing: Promise<void>): Promise<void> {
    const bounded = within(closing, this.#times.closeTimeoutMs, 'close', this.#clock)
    await unless(this.ended, bounded).catch(() => undefined)
  }

  fail(reason: unknown): void {
    this.#socket.abort(reason)
    this.#ended.abort(reason)
  }

  /** Says goodbye, bounded, and leaves no socket behind. */
  async close(): Promise<void> {
    if (!this.ended.aborted) await this.#farewell(this.model.close())
    this.fail(new Error('connection closed'))
  }
}

interface ReasonKeeper {
  readonly keep: (error: Error) => void
  readonly reason: () => Error
}

/** The first error that an emitter told, for the moment it closes. */
function reasonKeeper(otherwise: string): ReasonKeeper {
  let kept: Error | null = null
  return {
    keep: (error) => {
      kept ??= error
    },
    reason: () => kept ?? new Error(otherwise),
  }
}
