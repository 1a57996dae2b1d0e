import { findFreePort } from '../../../internal/embedded/postgres/free-port.ts'
import { eventually } from '../../../internal/testkit/eventually.ts'
import { Child } from '../child.ts'
import type { Contender, OpenOptions, Running } from './contender.ts'

/** What scenarios of throughput run with; the rest is as delivered. */
export const engineDefaults = {
  APP_HOST: '127.0.0.1',
  LOG_FORMAT: 'json',
  LOG_LEVEL: 'warn',
  RATE_LIMIT_PER_SEC: '0',
} as const

export interface EngineOptions {
  readonly name: string
  /** The compiled program. */
  readonly program: string
  readonly settings: Readonly<Record<string, string>>
  /** Where CPU profiles go; null = none. */
  readonly profileFolder: string | null
}

const schema = 'bench'
const readyWithinMs = 60_000

/** The engine as it is delivered: compiled, one process, all roles. */
export function engineContender({ name, program, settings, profileFolder }: EngineOptions): Contender {
  return {
    name,
    async open({ ground, sink, concurrency, turn }: OpenOptions): Promise<Running> {
      const port = await findFreePort()
      const env = {
        ...engineDefaults,
        DATABASE_URL: ground.urls.postgres,
        DB_SCHEMA: schema,
        RABBITMQ_URL: ground.urls.rabbitmq,
        REDIS_URL: ground.urls.redis,
        WEBHOOK_SITE_URL: sink.url,
        WORKER_CONCURRENCY: String(concurrency),
        ...settings,
        API_PORT: String(port),
      }
      const profiling =
        profileFolder === null
          ? []
          : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-name=${turn}.cpuprofile`]
      const nodeOptions = ['--enable-source-maps', ...profiling]
      const child = new Child(name, program, { env, cwd: ground.folder, nodeOptions })
      const url = `http://127.0.0.1:${port}`
      await untilReady(child, url)
      return {
        url,
        pid: child.pid,
        async unfinished() {
          const [found] =
            await ground.sql`SELECT count(*)::int AS count FROM bench.notifications WHERE due_at IS NOT NULL`
          return Number(found?.['count'])
        },
        async check(count) {
          const found = await ground.sql`SELECT status, count(*)::int AS count FROM bench.notifications GROUP BY status`
          const shown = found.map((row) => `${row['status']} ${row['count']}`).join(', ')
          if (shown !== `SENT ${count}`) throw new Error(`expected SENT ${count}, found ${shown}`)
        },
        stop: () => child.stop(),
      }
    },
  }
}

async function untilReady(child: Child, url: string): Promise<void> {
  const ready = async () => {
    if (!child.isRunning) return true // told below
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })).status === 200
  }
  await eventually(ready, { withinMs: readyWithinMs, everyMs: 50 }).catch(async () => {
    await child.stop()
    throw child.failure(`was not ready within ${readyWithinMs} ms`)
  })
  if (!child.isRunning) throw child.failure('ended before it was ready')
}
