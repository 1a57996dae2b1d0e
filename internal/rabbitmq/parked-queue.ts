import type { Channel, GetMessage } from 'amqplib'
import { DependencyUnavailableError } from '../domain/errors.ts'
import type { Clock } from '../port/clock.ts'
import { type ParkedList, type ParkedMessage, type ParkedMessages, parkedExcerptMax } from '../port/parked.ts'
import type { ConnectionSupervisor } from './connection.ts'
import { errorText, unless, within } from './keep-alive.ts'
import type { Link } from './link.ts'

interface ParkedQueueDeps {
  readonly connection: Pick<ConnectionSupervisor, 'link'>
  readonly clock: Clock
}

/** For a whole look or drop, however many messages. */
const answerWithinMs = 5_000

/**
 * The parked queue for a person's eyes. A look takes messages and gives them back by closing its channel, so they keep
 * their place. (RabbitMQ 4 counts each look as a delivery and drops a message after its default of 20 of them, unless
 * a policy sets `delivery-limit`.)
 */
export class ParkedQueue implements ParkedMessages {
  readonly #queue: string
  readonly #deps: ParkedQueueDeps
  /** Two looks at once would each see only what the other left. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(queue: string, deps: ParkedQueueDeps) {
    this.#queue = queue
    this.#deps = deps
  }

  list(limit: number): Promise<ParkedList> {
    return this.#inTurn(async (channel) => {
      const { messageCount } = await channel.checkQueue(this.#queue)
      const messages: ParkedMessage[] = []
      while (messages.length < limit) {
        const message = await channel.get(this.#queue)
        if (message === false) break
        messages.push(toParked(message))
      }
      return { total: Math.max(messageCount, messages.length), messages }
    })
  }

  drop(count: number | 'all'): Promise<number> {
    return this.#inTurn(async (channel) => {
      if (count === 'all') return (await channel.purgeQueue(this.#queue)).messageCount
      for (let dropped = 0; dropped < count; dropped++) {
        if ((await channel.get(this.#queue, { noAck: true })) === false) return dropped
      }
      return count
    })
  }

  #inTurn<T>(use: (channel: Channel) => Promise<T>): Promise<T> {
    const mine = this.#turn.then(() => this.#withChannel(use))
    this.#turn = mine.catch(() => undefined)
    return mine
  }

  async #withChannel<T>(use: (channel: Channel) => Promise<T>): Promise<T> {
    const { link } = this.#deps.connection
    // Under an alarm the broker does not read from this connection at all.
    if (link === null || link.blockedBecause !== null) throw away(link?.blockedBecause ?? 'not connected')
    try {
      return await within(this.#openAndUse(link, use), answerWithinMs, 'parked messages', this.#deps.clock)
    } catch (error) {
      throw away(errorText(error), error)
    }
  }

  async #openAndUse<T>(link: Link, use: (channel: Channel) => Promise<T>): Promise<T> {
    const { channel, ended } = await link.open('open channel', link.model.createChannel())
    try {
      return await unless(ended, use(channel))
    } finally {
      await link.closeChannel(channel)
    }
  }
}

function away(reason: string, cause?: unknown): DependencyUnavailableError {
  return new DependencyUnavailableError('rabbitmq', reason, { cause })
}

function toParked({ content, properties }: GetMessage): ParkedMessage {
  const headers: Readonly<Record<string, unknown>> = properties.headers ?? {}
  const { queue, reason, bytes } = headers
  return {
    queue: typeof queue === 'string' ? queue : null,
    reason: typeof reason === 'string' ? reason : null,
    bytes: typeof bytes === 'number' ? bytes : content.length,
    excerpt: content
      .subarray(0, parkedExcerptMax * 4)
      .toString('utf8')
      .slice(0, parkedExcerptMax),
  }
}
