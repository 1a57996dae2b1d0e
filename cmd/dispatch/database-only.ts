import type { Config } from '../../internal/config/config.ts'
import { loadConfig } from '../../internal/config/load.ts'
import { messageOf } from '../../internal/domain/errors.ts'
import { PinoLogger } from '../../internal/telemetry/logger.ts'
import { version } from '../version.ts'
import { type Environment, readEnvironment } from './environment.ts'
import { openFoundation } from './foundation.ts'

/** Programs that touch nothing but the database ask for nothing else: what they do not use is set to built-in parts. */
const unused = { RABBITMQ_URL: 'memory:', REDIS_URL: 'memory:', WEBHOOK_SITE_URL: 'http://127.0.0.1/', APP_ROLE: 'all' }

export interface DatabaseJob {
  readonly config: Config
  readonly databaseUrl: string
  readonly logger: PinoLogger
}

/**
 * Runs a short program over the configured database, the embedded one included.
 * @returns the exit code; what went wrong is said in one line on standard error.
 */
export async function withDatabase(
  job: (input: DatabaseJob) => Promise<void>,
  environment: Environment = readEnvironment(),
): Promise<number> {
  try {
    const config = loadConfig({ ...environment, ...unused })
    const logger = new PinoLogger({ level: 'warn', format: 'pretty', version })
    const foundation = await openFoundation(config, logger, environment)
    try {
      await job({ config, databaseUrl: foundation.databaseUrl, logger })
      return 0
    } finally {
      await foundation.close()
      await logger.flush()
    }
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    return 1
  }
}
