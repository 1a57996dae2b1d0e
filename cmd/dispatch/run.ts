import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Config } from '../../internal/config/config.ts'
import { describeConfig } from '../../internal/config/describe.ts'
import { ConfigError, loadConfig } from '../../internal/config/load.ts'
import { messageOf } from '../../internal/domain/errors.ts'
import { runComponents } from '../../internal/lifecycle/runner.ts'
import { systemClock } from '../../internal/lifecycle/system-clock.ts'
import { PinoLogger } from '../../internal/telemetry/logger.ts'
import { version } from '../version.ts'
import type { Environment } from './environment.ts'
import { openFoundation } from './foundation.ts'
import { listenForShutdown } from './shutdown.ts'
import { wire } from './wire.ts'

/**
 * Runs the engine until a signal ends it.
 * @returns the exit code: 0 after a clean stop, 1 when it could not start or not stop cleanly.
 */
export async function runEngine(environment: Environment): Promise<number> {
  const config = readConfig(environment)
  if (config === null) return 1
  const logger = openLogger(config)
  const shutdown = listenForShutdown(logger, config.shutdownTimeoutMs)
  try {
    const clean = await runWith(config, environment, logger, shutdown.requested)
    logger.info('stopped', { clean })
    return clean ? 0 : 1
  } catch (error) {
    logger.fatal(messageOf(error))
    return 1
  } finally {
    shutdown.close()
    await logger.flush()
  }
}

async function runWith(
  config: Config,
  environment: Environment,
  logger: PinoLogger,
  requested: Promise<void>,
): Promise<boolean> {
  logger.info('starting', { node: process.version, ...describeConfig(config) })
  for (const warning of config.warnings) logger.warn(warning)
  const foundation = await openFoundation(config, logger, environment)
  try {
    const engine = wire(config, { ...foundation, logger, instanceId: instanceId(), version, environment })
    void requested.then(() => engine.stopping())
    const deps = { clock: systemClock, logger }
    return await runComponents(engine.components, requested, deps, { stopBudgetMs: config.shutdownTimeoutMs })
  } finally {
    await foundation.close()
  }
}

function readConfig(environment: Environment): Config | null {
  try {
    return loadConfig(environment)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return null
  }
}

function openLogger({ log }: Config): PinoLogger {
  const onTerminal = process.stdout.isTTY
  const format = log.format === 'auto' ? (onTerminal ? 'pretty' : 'json') : log.format
  return new PinoLogger({ level: log.level, format, version, color: onTerminal })
}

/** Names this process in leases and heartbeats; new at every start, so that nobody answers for another's lease. */
function instanceId(): string {
  return `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`
}
