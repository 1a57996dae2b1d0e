import { randomUUID } from 'node:crypto'
import { type ChannelModel, connect } from 'amqplib'
import { lanes } from '../domain/notification.ts'

/** The broker that tests run on; they need AMQP and nothing else of it. */
export function testRabbitUrl(): string {
  const url = process.env['TEST_RABBITMQ_URL']
  if (url === undefined || url === '') {
    throw new Error('TEST_RABBITMQ_URL is not set: these tests need a RabbitMQ, `make test` starts one')
  }
  return url
}

/** A topology of its own for each test file, since files run at the same time on one broker. */
export function uniquePrefix(): string {
  return `test.${randomUUID().slice(0, 13)}`
}

interface QueueState {
  readonly messages: number
  readonly consumers: number
}

interface ParkedMessage {
  readonly body: string
  readonly headers: Readonly<Record<string, unknown>>
}

/** The hands of an operator: looks at queues, makes them, removes them. Each step has its own channel. */
export class RabbitAdmin {
  readonly #connection: ChannelModel

  private constructor(connection: ChannelModel) {
    this.#connection = connection
  }

  static async open(url = testRabbitUrl()): Promise<RabbitAdmin> {
    const connection = await connect(url, { timeout: 5_000 })
    connection.on('error', () => undefined)
    return new RabbitAdmin(connection)
  }

  async #step<T>(step: (channel: Awaited<ReturnType<ChannelModel['createChannel']>>) => Promise<T>): Promise<T> {
    const channel = await this.#connection.createChannel()
    channel.on('error', () => undefined)
    try {
      return await step(channel)
    } finally {
      await channel.close().catch(() => undefined)
    }
  }

  /** Null when there is no such queue. */
  async lookUpQueue(queue: string): Promise<QueueState | null> {
    return this.#step((channel) => channel.checkQueue(queue)).then(
      ({ messageCount, consumerCount }) => ({ messages: messageCount, consumers: consumerCount }),
      () => null,
    )
  }

  async declareQueue(queue: string, args: Readonly<Record<string, string | number>>): Promise<void> {
    await this.#step((channel) => channel.assertQueue(queue, { durable: true, arguments: args }))
  }

  async deleteQueue(queue: string): Promise<void> {
    await this.#step((channel) => channel.deleteQueue(queue))
  }

  async purgeQueue(queue: string): Promise<void> {
    await this.#step((channel) => channel.purgeQueue(queue))
  }

  async deleteExchange(exchange: string): Promise<void> {
    await this.#step((channel) => channel.deleteExchange(exchange))
  }

  /** Puts bytes into a queue, past everything that would check them. */
  async send(queue: string, body: string): Promise<void> {
    const channel = await this.#connection.createConfirmChannel()
    channel.sendToQueue(queue, Buffer.from(body), { persistent: true })
    await channel.waitForConfirms()
    await channel.close()
  }

  /** Takes one message; null when there is none. */
  async take(queue: string): Promise<ParkedMessage | null> {
    return this.#step(async (channel) => {
      const message = await channel.get(queue, { noAck: true })
      if (message === false) return null
      return { body: message.content.toString(), headers: { ...message.properties.headers } }
    })
  }

  /**
   * Removes every trace of these topologies. Each quorum queue sets three file handles aside: a broker that may open
   * 1,024 files takes no connection any more once it holds some 300 queues.
   */
  async remove(...prefixes: readonly string[]): Promise<void> {
    for (const prefix of prefixes) {
      const names = lanes.map((lane) => `${lane.channel}.${lane.priority}`.toLowerCase())
      await Promise.all([...names, 'parked'].map((name) => this.deleteQueue(`${prefix}.${name}`)))
      await this.deleteExchange(prefix)
    }
  }

  /** Removes every trace of these topologies, and closes the connection. */
  async close(...prefixes: readonly string[]): Promise<void> {
    await this.remove(...prefixes)
    await this.#connection.close()
  }
}
