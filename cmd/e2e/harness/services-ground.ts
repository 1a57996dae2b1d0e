import { type ChannelModel, connect } from 'amqplib'
import { Redis } from 'ioredis'
import { lanes } from '../../../internal/domain/notification.ts'
import { openAdmin, testDatabaseUrl, uniqueName } from '../../../internal/testkit/database.ts'
import { RabbitAdmin, testRabbitUrl } from '../../../internal/testkit/rabbitmq.ts'
import { TcpProxy } from '../../../internal/testkit/tcp-proxy.ts'
import { type Ground, makeFolders, type Profile, removeFolder } from './ground.ts'

/** The exchange, and what the names of all queues begin with. */
const topology = 'dispatch.v1'

/** Real PostgreSQL, RabbitMQ and Redis. The broker is shared, so what an earlier fleet left in it is removed first. */
export const servicesProfile: Profile = {
  name: 'services',
  async open(): Promise<Ground> {
    const schema = uniqueName('e2e')
    const settings = {
      DATABASE_URL: testDatabaseUrl(),
      DB_SCHEMA: schema,
      RABBITMQ_URL: testRabbitUrl(),
      REDIS_URL: testRedisUrl(),
    }
    await removeQueues()
    await emptyRedis()
    const { base, folder } = await makeFolders()
    return {
      settings,
      folder,
      async close() {
        await removeQueues()
        const admin = openAdmin(settings.DATABASE_URL, schema)
        await admin.unsafe(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
        await admin.end({ timeout: 2 })
        await removeFolder(base)
      },
    }
  },
}

function testRedisUrl(): string {
  const url = process.env['TEST_REDIS_URL']
  if (url === undefined || url === '') {
    throw new Error('TEST_REDIS_URL is not set: these tests need a Redis server (make test starts one)')
  }
  return url
}

/** A network in front of the server of `url` that a test can cut. */
export async function proxied(url: string): Promise<{ readonly proxy: TcpProxy; readonly url: string }> {
  const through = new URL(url)
  const proxy = await TcpProxy.start({ host: through.hostname, port: Number(through.port) || defaultPort(through) })
  through.hostname = '127.0.0.1'
  through.port = String(proxy.port)
  return { proxy, url: through.href }
}

function defaultPort({ protocol }: URL): number {
  if (protocol.startsWith('postgres')) return 5432
  return protocol.startsWith('amqp') ? 5672 : 6379
}

/** Removes every queue and the exchange, as a broker that lost its disk would. */
export async function removeQueues(): Promise<void> {
  const admin = await RabbitAdmin.open()
  await admin.close(topology)
}

/** Takes everything out of all work queues. @returns how many messages were lost. */
export async function emptyQueues(): Promise<number> {
  const connection: ChannelModel = await connect(testRabbitUrl(), { timeout: 5_000 })
  try {
    const channel = await connection.createChannel()
    const names = lanes.map((lane) => `${topology}.${lane.channel}.${lane.priority}`.toLowerCase())
    const purged = await Promise.all(names.map((name) => channel.purgeQueue(name)))
    return purged.reduce((sum, { messageCount }) => sum + messageCount, 0)
  } finally {
    await connection.close()
  }
}

/** Forgets every key and every script, as a restarted Redis without a disk does. @returns how many keys there were. */
export async function emptyRedis(): Promise<number> {
  const redis = new Redis(testRedisUrl(), { lazyConnect: true, connectTimeout: 5_000, maxRetriesPerRequest: 1 })
  redis.on('error', () => undefined) // the commands below reject with it
  try {
    await redis.connect()
    const keys = await redis.dbsize()
    await redis.flushall()
    await redis.script('FLUSH')
    return keys
  } finally {
    redis.disconnect()
  }
}
