import { Redis } from 'ioredis'
import postgres from 'postgres'
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
  /** An empty folder, for programs to run in. */
  readonly folder: string
  readonly sql: postgres.Sql
  /** Whether the server tells what statements cost. */
  readonly countsStatements: boolean
  /** Takes away what the last contender left and writes out what is dirty, so that nobody pays for others. */
  clean(): Promise<void>
  close(): Promise<void>
}

const ownSchemas = ['bench', 'pgboss', 'graphile_worker']

export async function openGround({ profile }: { readonly profile: boolean }): Promise<Ground> {
  const programs = findPrograms(process.env['PATH'] ?? '')
  const { base, folder } = await makeFolders()
  const killNow = (throwaway: Throwaway) => process.once('exit', () => throwaway.killNow())
  const throwaway = await startThrowaway(serviceNames, programs, killNow)
  const { postgres: quick, rabbitmq, redis } = throwaway.servers
  if (quick === undefined || rabbitmq === undefined || redis === undefined) throw new Error('a server is missing')
  const countsStatements = profile && (await hasStatementStatistics(quick.url))
  const durable = await restartDurable(quick, countsStatements)
  await makeDurable(redis.url)
  const sql = postgres(durable.url, { max: 1, onnotice: () => undefined })
  if (countsStatements) await sql`CREATE EXTENSION pg_stat_statements`
  return {
    urls: { postgres: durable.url, rabbitmq: rabbitmq.url, redis: redis.url },
    pids: { postgres: durable.pid, rabbitmq: rabbitmq.pid, redis: redis.pid },
    folder,
    sql,
    countsStatements,
    async clean() {
      for (const schema of ownSchemas) await sql.unsafe(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await onRedis(redis.url, (client) => client.flushall())
      await sql`CHECKPOINT`
      if (countsStatements) await sql`SELECT pg_stat_statements_reset()`
    },
    async close() {
      await sql.end({ timeout: 2 })
      await durable.stop()
      await throwaway.stop()
      await removeFolder(base)
    },
  }
}

/** The servers of tests forget everything when the power goes; what is measured here must not. */
async function restartDurable(quick: ControlledServer, countsStatements: boolean): Promise<ControlledServer> {
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

async function onRedis(url: string, act: (client: Redis) => Promise<unknown>): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, connectTimeout: 5_000, maxRetriesPerRequest: 1 })
  client.on('error', () => undefined) // the commands reject with it
  try {
    await client.connect()
    await act(client)
  } finally {
    client.disconnect()
  }
}
