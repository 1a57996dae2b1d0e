import type { Config } from '../../internal/config/config.ts'
import { EmbeddedPostgres } from '../../internal/embedded/postgres/embedded-postgres.ts'
import { systemClock } from '../../internal/lifecycle/system-clock.ts'
import type { Logger } from '../../internal/port/telemetry.ts'
import { ping } from '../../internal/postgres/ping.ts'
import { projectRoot } from '../project-root.ts'
import { startSink } from '../sink/server.ts'
import type { Environment } from './environment.ts'

/** What the engine stands on: its database and the target of its notifications. */
export interface Foundation {
  readonly databaseUrl: string
  readonly webhookUrl: string
  /** Ends what was started here; nothing outside. */
  close(): Promise<void>
}

/**
 * Starts what the settings ask to be built in (PostgreSQL, the sink); addresses of outside parts are passed through.
 * @throws EmbeddedPostgresError with a sentence for people when the built-in PostgreSQL cannot run.
 */
export async function openFoundation(config: Config, logger: Logger, environment: Environment): Promise<Foundation> {
  const closers: (() => Promise<void>)[] = []
  const close = async () => {
    for (const closer of closers.toReversed()) await closer()
  }
  try {
    const webhookUrl = config.webhookUrl ?? (await openSink(closers, logger))
    const databaseUrl =
      config.database.kind === 'external'
        ? config.database.url
        : await openPostgres({ dataDir: config.database.dataDir, stateHome: stateHome(environment) }, closers, logger)
    return { databaseUrl, webhookUrl, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openSink(closers: (() => Promise<void>)[], logger: Logger): Promise<string> {
  const sink = await startSink({ maxKept: 1_000 })
  closers.push(() => sink.close())
  logger.info('built-in sink: takes every notification and delivers to nobody', { url: sink.url })
  return sink.url
}

/** Root keeps its state under /var/lib, whoever's variables it inherited. */
function stateHome(environment: Environment): string | null {
  return process.getuid?.() === 0 ? null : (environment['XDG_STATE_HOME'] ?? null)
}

async function openPostgres(
  folders: { readonly dataDir: string | null; readonly stateHome: string | null },
  closers: (() => Promise<void>)[],
  logger: Logger,
): Promise<string> {
  const database = new EmbeddedPostgres({ ...folders, projectRoot }, { logger, clock: systemClock, probe: ping })
  closers.push(() => database.stop())
  await database.start()
  return database.url
}
