import { connect } from 'amqplib'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { z } from 'zod'
import { ControlledServer } from '../../internal/testkit/services/controlled-server.ts'
import { findPrograms } from '../../internal/testkit/services/find-programs.ts'
import { probeSql, runSql } from '../../internal/testkit/services/sql.ts'
import { serviceNames, startThrowaway, type Throwaway } from '../../internal/testkit/services/throwaway.ts'
import { makeFolders, removeFolder } from '../e2e/harness/ground.ts'

/** Of a server, as the report names it. */
export const postgresSettings = [
  'fsync=on',
  'synchronous_commit=on',
  'shared_buffers=512MB',
  'max_wal_size=4GB',
  'max_connections=300',
] as const
export const redisSettings = ['appendonly=yes', 'appendfsync=everysec'] as const

/** Private servers with durable settings, and a connection to look at them. */
export interface Ground {
  readonly urls: { readonly postgres: string; readonly rabbitmq: string; readonly redis: string }
  readonly pids: { readonly postgres: number; readonly rabbitmq: number; readonly redis: number }
  readonly versions: Readonly<Record<'postgres' | 'rabbitmq' | 'redis', string>>
  /** An empty folder, for programs to run in. */
  readonly folder: string
  readonly sql: postgres.Sql
  /** Whether the server tells what statements cost. */
  readonly countsStatements: boolean
  /** Takes away what the last contender left and writes out what is dirty, so that nobody pays for others. */
  clean(): Promise<void>
  close(): Promise<void>
}

/** What is to be closed again, latest first. */
type Closing = (() => Promise<unknown>)[]

/** @throws Error when a server does not start; nothing is left then. */
export async function openGround({ profile }: { readonly profile: boolean }): Promise<Ground> {
  const closing: Closing = []
  const close = async () => {
    for (const closeOne of closing.splice(0).toReversed()) await closeOne()
  }
  try {
    return { ...(await open(profile, closing)), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function open(profile: boolean, closing: Closing): Promise<Omit<Ground, 'close'>> {
  const programs = findPrograms(process.env['PATH'] ?? '')
  const { base, folder } = await makeFolders()
  closing.push(() => removeFolder(base))
  const killNow = (throwaway: Throwaway) => process.once('exit', () => throwaway.killNow())
  const throwaway = await startThrowaway(serviceNames, programs, killNow)
  closing.push(() => throwaway.stop())
  const { postgres: quick, rabbitmq, redis } = throwaway.servers
  if (quick === undefined || rabbitmq === undefined || redis === undefined) throw new Error('a server is missing')
  const countsStatements = profile && (await hasStatementStatistics(quick.url))
  const durable = await restartDurable(quick, countsStatements, closing)
  await makeDurable(redis.url)
  const sql = postgres(durable.url, { max: 1, onnotice: () => undefined })
  closing.push(() => sql.end({ timeout: 2 }))
  if (countsStatements) await sql`CREATE EXTENSION pg_stat_statements`
  return {
    urls: { postgres: durable.url, rabbitmq: rabbitmq.url, redis: redis.url },
    pids: { postgres: durable.pid, rabbitmq: rabbitmq.pid, redis: redis.pid },
    versions: {
      postgres: await postgresVersion(sql),
      rabbitmq: await rabbitMqVersion(rabbitmq.url),
      redis: await redisVersion(redis.url),
    },
    folder,
    sql,
    countsStatements,
    async clean() {
      const used = await sql`SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$|public$)'`
      for (const { nspname } of used) await sql`DROP SCHEMA ${sql(String(nspname))} CASCADE`
      await onRedis(redis.url, (client) => client.flushall())
      await sql`CHECKPOINT`
      if (countsStatements) await sql`SELECT pg_stat_statements_reset()`
    },
  }
}

/** The servers of tests forget everything when the power goes; what is measured here must not. */
async function restartDurable(
  quick: ControlledServer,
  countsStatements: boolean,
  closing: Closing,
): Promise<ControlledServer> {
  await quick.stop()
  const preload = countsStatements ? ['shared_preload_libraries=pg_stat_statements'] : []
  const settings = [...postgresSettings, ...preload].flatMap((setting) => ['-c', setting])
  const spec = { ...quick.spec, args: [...quick.spec.args, ...settings] } // the last value of a setting wins
  const isReady = () =>
    probeSql(quick.url).then(
      () => true,
      () => false,
    )
  const durable = new ControlledServer(quick, spec, 30_000, isReady)
  process.once('exit', () => durable.killNow())
  closing.push(() => durable.stop())
  await durable.ready()
  return durable
}

async function hasStatementStatistics(url: string): Promise<boolean> {
  const found = await runSql(url, `SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'`)
  return found.length > 0
}

async function makeDurable(url: string): Promise<void> {
  await onRedis(url, async (client) => {
    for (const setting of redisSettings) {
      const [name = '', value = ''] = setting.split('=')
      await client.config('SET', name, value)
    }
  })
}

async function onRedis<T>(url: string, act: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { lazyConnect: true, connectTimeout: 5_000, maxRetriesPerRequest: 1 })
  client.on('error', () => undefined) // the commands reject with it
  try {
    await client.connect()
    return await act(client)
  } finally {
    client.disconnect()
  }
}

async function postgresVersion(sql: postgres.Sql): Promise<string> {
  const [server] = await sql`SHOW server_version`
  return String(server?.['server_version'])
}

const brokerProperties = z.object({ version: z.string() })

async function rabbitMqVersion(url: string): Promise<string> {
  const model = await connect(url, { timeout: 5_000 })
  try {
    return brokerProperties.parse(model.connection.serverProperties).version
  } finally {
    await model.close()
  }
}

async function redisVersion(url: string): Promise<string> {
  const info = await onRedis(url, (client) => client.info('server'))
  return /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown'
}
