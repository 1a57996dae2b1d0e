import { EmbeddedPostgres } from '../../embedded/postgres/embedded-postgres.ts'
import { systemClock } from '../../lifecycle/system-clock.ts'
import { quietLogger } from './quiet-logger.ts'
import { probeSql } from './sql.ts'

/**
 * A process that holds an embedded PostgreSQL, for tests that kill it:
 * `node embedded-process.ts <project root> <state home> [DATA_DIR]`. Prints one JSON line, then stays until SIGTERM (graceful) or SIGUSR2 (exit
 * without stopping anything).
 */
const [projectRoot = '', stateHome = '', dataDir] = process.argv.slice(2)
const database = new EmbeddedPostgres(
  { projectRoot, stateHome, dataDir: dataDir ?? null },
  { logger: quietLogger, clock: systemClock, probe: probeSql },
)
try {
  await database.start()
  const untilTold = setInterval(() => undefined, 60_000)
  process.once('SIGUSR2', () => process.exit(3))
  process.once('SIGTERM', () => {
    clearInterval(untilTold)
    void database.stop()
  })
  // Last: who reads this line may signal at once, and a signal without its handler would end the process as a kill does.
  process.stdout.write(`${JSON.stringify({ url: database.url, folder: database.folder })}\n`)
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`)
  process.exitCode = 1
}
