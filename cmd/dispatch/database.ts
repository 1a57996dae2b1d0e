import type { Config } from '../../internal/config/config.ts'
import { DependencyUnavailableError, messageOf } from '../../internal/domain/errors.ts'
import type { Clock } from '../../internal/port/clock.ts'
import type { Logger } from '../../internal/port/telemetry.ts'
import { migrate, pendingMigrations } from '../../internal/postgres/migrator.ts'
import { ping } from '../../internal/postgres/ping.ts'
import type { PostgresPool } from '../../internal/postgres/pool.ts'
import { assertSafeSettings, reportForeignTables } from '../../internal/postgres/settings-check.ts'

const pingMs = 3_000
const pauseMs = 500

/** Waits for PostgreSQL, brings its schema up to date, and refuses settings under which a 202 could be lost. */
export async function prepareDatabase(
  { database, startupTimeoutMs }: Config,
  url: string,
  pool: PostgresPool,
  clock: Clock,
  logger: Logger,
): Promise<void> {
  await waitForDatabase(url, startupTimeoutMs, clock, logger)
  const options = { url, schema: database.schema, table: database.migrationsTable, logger }
  if (database.migrateOnStart) await migrate(options)
  else {
    const pending = await pendingMigrations(options)
    if (pending.length > 0) {
      const found = `migrations are pending (${pending.join(', ')}) and MIGRATE_ON_START is false`
      throw new Error(`${found}: run "npm run db:migrate" or set MIGRATE_ON_START=true`)
    }
  }
  await assertSafeSettings(pool)
  await reportForeignTables(pool, database.schema, logger)
}

/** @throws DependencyUnavailableError with the last reason once `timeoutMs` is over. */
export async function waitForDatabase(url: string, timeoutMs: number, clock: Clock, logger: Logger): Promise<void> {
  const untilMs = clock.monotonicMs() + timeoutMs
  for (let tries = 1; ; tries++) {
    const reason = await tryPing(url, clock)
    if (reason === null) return
    if (clock.monotonicMs() + pauseMs >= untilMs) {
      const message = `PostgreSQL did not answer within STARTUP_TIMEOUT (${timeoutMs} ms): ${reason}`
      throw new DependencyUnavailableError('postgres', message)
    }
    if (tries === 1) logger.warn('waiting for PostgreSQL', { reason, timeoutMs })
    await clock.sleep(pauseMs)
  }
}

/** Null when it answered, else why not. */
async function tryPing(url: string, clock: Clock): Promise<string | null> {
  const deadline = clock.timeout(pingMs)
  try {
    await ping(url, deadline.signal)
    return null
  } catch (error) {
    return messageOf(error)
  } finally {
    deadline.clear()
  }
}
