import { parseArgs } from 'node:util'
import { messageOf } from '../../internal/domain/errors.ts'
import { systemClock } from '../../internal/lifecycle/system-clock.ts'
import { listMigrations, type MigrationOptions, migrate } from '../../internal/postgres/migrator.ts'
import { waitForDatabase } from '../dispatch/database.ts'
import { withDatabase } from '../dispatch/database-only.ts'

/** `npm run db:migrate` applies what is pending and exits; `-- --list` only shows where the database stands. */
const usage = 'usage: npm run db:migrate [-- --list]'

async function list(options: MigrationOptions): Promise<void> {
  for (const { name, appliedAt, known } of await listMigrations(options)) {
    const state = appliedAt === null ? 'pending' : `applied ${appliedAt.toISOString()}`
    console.log(`${name}  ${state}${known ? '' : '  (by a newer version)'}`)
  }
}

async function apply(options: MigrationOptions): Promise<void> {
  const applied = await migrate(options)
  const where = `schema ${options.schema}`
  console.log(applied.length === 0 ? `${where} is up to date` : `${where}: applied ${applied.join(', ')}`)
}

function readArguments(): { readonly list: boolean } | null {
  try {
    return { list: parseArgs({ options: { list: { type: 'boolean', default: false } } }).values.list }
  } catch (error) {
    console.error(`${messageOf(error)}\n${usage}`)
    return null
  }
}

const chosen = readArguments()
process.exit(
  chosen === null
    ? 2
    : await withDatabase(async ({ config, databaseUrl: url, logger }) => {
        await waitForDatabase(url, config.startupTimeoutMs, systemClock, logger)
        const options = { url, schema: config.database.schema, table: config.database.migrationsTable, logger }
        await (chosen.list ? list(options) : apply(options))
      }),
)
