import type { Channel } from 'amqplib'
import { type Lane, lanes } from '../domain/notification.ts'
import { lookAgainMs } from '../domain/protocol.ts'
import { codeOf, errorText } from './keep-alive.ts'
import type { Link } from './link.ts'
import type { BrokerStatus } from './status.ts'

/**
 * Redeliveries after which the broker drops a copy: without a limit, a copy that ends its consumer comes back for
 * ever. Dropping is harmless, the row is looked at again.
 */
const deliveryLimit = 20
/** A person looks at what is parked; the oldest goes when nobody does. */
const parkedMessagesMax = 10_000

/**
 * Copies older than the first look-again time are dropped, because by then the scan has published the row anew:
 * copies cannot pile up behind a backlog. Changed arguments need a new version in the prefix.
 */
const laneArguments = {
  'x-queue-type': 'quorum',
  'x-delivery-limit': deliveryLimit,
  'x-message-ttl': lookAgainMs,
} as const
const parkedArguments = { 'x-queue-type': 'quorum', 'x-max-length': parkedMessagesMax } as const

type QueueArguments = Readonly<Record<string, string | number>>

interface Declaration {
  readonly name: string
  /** As {@link BrokerStatus} names it. */
  readonly part: string
  /** For the error text. */
  readonly ours: Readonly<Record<string, string | number | boolean>>
  readonly run: (channel: Channel) => Promise<unknown>
}

/** Something of this name exists on the broker and is not what this version would declare. Nothing was changed. */
class TopologyMismatchError extends Error {}

/** The names of one version of the topology. */
export class TopologyNames {
  /** Direct exchange; a lane's routing key is {@link key}. */
  readonly exchange: string
  readonly parked: string

  constructor(prefix: string) {
    this.exchange = prefix
    this.parked = `${prefix}.parked`
  }

  key(lane: Lane): string {
    return `${lane.channel.toLowerCase()}.${lane.priority.toLowerCase()}`
  }

  queue(lane: Lane): string {
    return `${this.exchange}.${this.key(lane)}`
  }
}

/** Declares what is missing and checks what is there. It never deletes: what is in the way, a person removes. */
export class Topology {
  readonly names: TopologyNames
  readonly #status: BrokerStatus
  /** Exchange and queues that exist otherwise. */
  readonly #refused = new Set<string>()
  /** The last declaration of each name. */
  readonly #turns = new Map<string, Promise<void>>()

  constructor(names: TopologyNames, status: BrokerStatus) {
    this.names = names
    this.#status = status
  }

  /** Whether messages of `lane` may be published: its queue has the arguments that the protocol counts on. */
  isUsable(lane: Lane): boolean {
    return !this.#refused.has(this.names.exchange) && !this.#refused.has(this.names.queue(lane))
  }

  /**
   * Everything, each part on its own channel: a refusal closes the channel, and must not hide the next one.
   * @returns false when something exists with other arguments.
   */
  async assertAll(link: Link): Promise<boolean> {
    await this.#assertExchange(link).catch(passMismatch)
    const queues = [this.#assertParked(link), ...lanes.map((lane) => this.#assertLaneQueue(link, lane))]
    const results = await Promise.allSettled(queues.map((queue) => queue.catch(passMismatch)))
    for (const result of results) if (result.status === 'rejected') throw result.reason
    return this.#refused.size === 0
  }

  /** @throws TopologyMismatchError */
  async assertLane(link: Link, lane: Lane): Promise<void> {
    await this.#assertExchange(link)
    await this.#assertLaneQueue(link, lane)
  }

  #assertExchange(link: Link): Promise<void> {
    const { exchange } = this.names
    return this.#declareInTurn(link, {
      name: exchange,
      part: `exchange ${exchange}`,
      ours: { type: 'direct', durable: true },
      run: (channel) => channel.assertExchange(exchange, 'direct', { durable: true }),
    })
  }

  #assertLaneQueue(link: Link, lane: Lane): Promise<void> {
    const { names } = this
    const queue = names.queue(lane)
    return this.#declareInTurn(link, {
      ...queueDeclaration(queue, laneArguments),
      run: async (channel) => {
        await channel.assertQueue(queue, { durable: true, arguments: laneArguments })
        await channel.bindQueue(queue, names.exchange, names.key(lane))
      },
    })
  }

  #assertParked(link: Link): Promise<void> {
    const { parked } = this.names
    return this.#declareInTurn(link, {
      ...queueDeclaration(parked, parkedArguments),
      run: (channel) => channel.assertQueue(parked, { durable: true, arguments: parkedArguments }),
    })
  }

  // Two of our connections that make one quorum queue at the same moment can end with 541, connection closed
  // (seen on RabbitMQ 3.10). Other replicas can still meet us there; then the back-off parts us.
  #declareInTurn(link: Link, declaration: Declaration): Promise<void> {
    const before = this.#turns.get(declaration.name) ?? Promise.resolve()
    const mine = before.then(() => this.#declare(link, declaration))
    const settled = mine.catch(() => undefined)
    this.#turns.set(declaration.name, settled)
    return mine
  }

  async #declare(link: Link, { name, part, ours, run }: Declaration): Promise<void> {
    const { channel } = await link.open('open channel', link.model.createChannel())
    try {
      await link.ask(`declare ${part}`, run(channel))
      this.#refused.delete(name)
      this.#status.forget(part)
    } catch (error) {
      if (codeOf(error) !== preconditionFailed) throw error
      const mismatch = new TopologyMismatchError(
        `${part} exists with other arguments; ours: ${JSON.stringify(ours)}; the broker: ${errorText(error)}. ` +
          'Nothing was deleted: remove it when it is empty, or give it our arguments.',
        { cause: error },
      )
      this.#refused.add(name)
      this.#status.bad(part, mismatch, 'error')
      throw mismatch
    } finally {
      await link.closeChannel(channel)
    }
  }
}

function queueDeclaration(name: string, args: QueueArguments): Pick<Declaration, 'name' | 'part' | 'ours'> {
  return { name, part: `queue ${name}`, ours: { durable: true, ...args } }
}

const preconditionFailed = '406'

function passMismatch(error: unknown): void {
  if (!(error instanceof TopologyMismatchError)) throw error
}
