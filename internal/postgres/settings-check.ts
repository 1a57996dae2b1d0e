import type { Logger } from '../port/telemetry.ts'
import type { PostgresPool, Statement } from './pool.ts'

interface SettingsRow {
  readonly version: number
  readonly commit: string
  readonly encoding: string
}

const settingsStatement: Statement<SettingsRow> = {
  name: 'settings',
  text: `
SELECT current_setting('server_version_num')::int AS version, current_setting('synchronous_commit') AS commit,
       current_setting('server_encoding') AS encoding`,
}

const versionMin = 150_000

/**
 * Refuses a database on which "accepted" would not mean "on disk". All problems are told at once.
 * @throws Error naming what was found and what is expected.
 * @throws DependencyUnavailableError when PostgreSQL cannot be asked.
 */
export async function assertSafeSettings(pool: PostgresPool): Promise<void> {
  const [found] = await pool.run(settingsStatement)
  if (found === undefined) throw new Error('PostgreSQL did not tell its settings')
  const problems = [
    found.version < versionMin
      ? `server version: found ${Math.floor(found.version / 10_000)}, expected 15 or newer`
      : null,
    found.commit === 'off'
      ? 'synchronous_commit: found off, expected on (or local, remote_write, remote_apply): a crash would lose' +
        ' notifications that were already accepted; see ALTER ROLE … SET, ALTER DATABASE … SET and postgresql.conf'
      : null,
    found.encoding === 'UTF8' ? null : `server_encoding: found ${found.encoding}, expected UTF8`,
  ].filter((problem) => problem !== null)
  if (problems.length > 0) throw new Error(`PostgreSQL is not set up safely: ${problems.join('; ')}`)
}

const foreignStatement: Statement<{ readonly found: boolean }> = {
  name: 'foreign_tables',
  text: "SELECT to_regclass('public.notifications') IS NOT NULL AS found",
}

/** Says once that tables of another system in the same database stay as they are: nobody should wait for an import. */
export async function reportForeignTables(pool: PostgresPool, schema: string, logger: Logger): Promise<void> {
  if (schema === 'public') return
  const [row] = await pool.run(foreignStatement)
  if (row?.found !== true) return
  logger.info('schema public has a table "notifications" of another system: it is left untouched and not imported', {
    schema,
  })
}
