import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { DatabaseLink } from '../postgres/link.ts'
import { migrate } from '../postgres/migrator.ts'
import { type NotificationStoreSettings, PostgresNotificationStore } from '../postgres/notification-store.ts'
import { PostgresPool, type PostgresPoolDeps, type PostgresPoolOptions } from '../postgres/pool.ts'
import { RecordingTelemetry, silentLogger } from './telemetry.ts'

export interface TestDatabase {
  readonly url: string
  readonly schema: string
  /** Unique: names this database's connections in pg_stat_activity. */
  readonly applicationName: string
  /** Plans each run anew; the store's hot statements have one of their own, which keeps plans. */
  readonly pool: PostgresPool
  readonly store: PostgresNotificationStore
  /** A second store with other settings over the same rows. */
  storeWith(settings: Partial<NotificationStoreSettings>): PostgresNotificationStore
  /** A connection outside the pool, for looking and meddling; ended by `drop`. */
  readonly admin: postgres.Sql
  /** Ends the connections and drops the schema. */
  drop(): Promise<void>
}

const storeSettingsDefault: NotificationStoreSettings = { notificationTtlMs: 86_400_000, idempotencyTtlSeconds: 86_400 }

/** @throws Error when TEST_DATABASE_URL is not set. */
export function testDatabaseUrl(): string {
  const url = process.env['TEST_DATABASE_URL']
  if (url === undefined || url === '') {
    throw new Error('TEST_DATABASE_URL is not set: these tests need a PostgreSQL server (make test starts one)')
  }
  return url
}

export function uniqueName(prefix: string): string {
  return `${prefix}_${randomBytes(6).toString('hex')}`
}

/** A throwaway schema on TEST_DATABASE_URL with every migration applied. */
export async function openTestDatabase(options: Partial<PostgresPoolOptions> = {}): Promise<TestDatabase> {
  const url = testDatabaseUrl()
  const schema = uniqueName('test')
  const applicationName = schema
  await migrate({ url, schema, table: 'schema_migrations', logger: silentLogger })
  const poolOptions = { url, schema, max: 5, applicationName, ...options }
  const pool = new PostgresPool(poolOptions, silentPoolDeps())
  const work = new PostgresPool({ ...poolOptions, plans: 'kept' }, silentPoolDeps())
  const admin = openAdmin(url, schema)
  const storeWith = (settings: Partial<NotificationStoreSettings>) =>
    new PostgresNotificationStore({ work, rest: pool }, { ...storeSettingsDefault, ...settings })
  const drop = async () => {
    await Promise.all([pool.end(), work.end()])
    await admin.unsafe(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
    await admin.end({ timeout: 2 })
  }
  return { url, schema, applicationName, pool, store: storeWith({}), storeWith, admin, drop }
}

/** Telemetry and link of a pool whose test does not look at them. */
export function silentPoolDeps(telemetry = new RecordingTelemetry()): PostgresPoolDeps {
  return { telemetry, link: new DatabaseLink({ telemetry, logger: silentLogger }) }
}

export function openAdmin(url: string, schema: string): postgres.Sql {
  return postgres(url, { max: 2, fetch_types: false, onnotice: () => undefined, connection: { search_path: schema } })
}
