import path from 'node:path'
import type postgres from 'postgres'
import { findFreePort } from '../../../internal/embedded/postgres/free-port.ts'
import { eventually } from '../../../internal/testkit/eventually.ts'
import { Child } from '../child.ts'
import type { Contender, OpenOptions, Running } from './contender.ts'
import { embeddedPlace, servicesPlace } from './place.ts'

/** What scenarios of throughput run with; the rest is as delivered. */
export const engineDefaults = {
  APP_HOST: '127.0.0.1',
  LOG_FORMAT: 'json',
  LOG_LEVEL: 'warn',
  RATE_LIMIT_PER_SEC: '0',
} as const

export interface EngineOptions {
  readonly name: string
  readonly kind: Exclude<Contender['kind'], 'peer'>
  /** The compiled program. */
  readonly program: string
  readonly settings: Readonly<Record<string, string>>
  /** Where CPU profiles go; null = none. Several processes write none: each would overwrite the last. */
  readonly profileFolder?: string | null
  /** Processes side by side on the same servers. Default 1. */
  readonly replicas?: number
  /** On built-in parts instead of the three services: one process only. */
  readonly embedded?: boolean
  /** Sends over a connection of a JSON connector, in place of the plain webhook. */
  readonly connector?: boolean
}

const schema = 'bench'
const readyWithinMs = 60_000
const connectorFolder = path.join(import.meta.dirname, '..', 'connector')

/** The engine as it is delivered: compiled, all roles in each process. */
export function engineContender(options: EngineOptions): Contender {
  const { name, kind, program, settings, profileFolder = null, replicas = 1, embedded = false } = options
  return {
    name,
    kind,
    async open({ ground, sink, concurrency, turn }: OpenOptions): Promise<Running> {
      const place = embedded ? embeddedPlace(ground, turn) : servicesPlace(ground)
      const profile = kind === 'variant' ? `${turn}-${name}` : turn
      const nodeOptions = ['--enable-source-maps', ...profiling(replicas === 1 ? profileFolder : null, profile)]
      const processes = await Promise.all(
        Array.from({ length: replicas }, async () => {
          const port = await findFreePort()
          const env = {
            ...engineDefaults,
            ...place.settings,
            DB_SCHEMA: schema,
            WEBHOOK_SITE_URL: sink.url,
            WORKER_CONCURRENCY: String(Math.ceil(concurrency / replicas)),
            ...(options.connector === true && overConnector(sink.url)),
            ...settings,
            API_PORT: String(port),
          }
          const child = new Child(name, program, { env, cwd: ground.folder, nodeOptions })
          return { child, url: `http://127.0.0.1:${port}` }
        }),
      )
      const stop = async () => {
        await Promise.all(processes.map(({ child }) => child.stop()))
        await place.close()
      }
      try {
        for (const { child, url } of processes) await untilReady(child, url)
        const sql = await place.connect()
        return {
          urls: processes.map(({ url }) => url),
          pids: processes.map(({ child }) => child.pid),
          ...looks(sql),
          stop,
        }
      } catch (error) {
        await stop()
        throw error
      }
    },
  }
}

/** Target and host stay those of the plain webhook, so the guard of all requests lets it through. */
function overConnector(sinkUrl: string): Readonly<Record<string, string>> {
  return {
    CONNECTORS_DIR: path.join(connectorFolder, 'documents'),
    CONNECTIONS_FILE: path.join(connectorFolder, 'connections.yaml'),
    BENCH_SINK_URL: sinkUrl,
  }
}

function profiling(folder: string | null, name: string): readonly string[] {
  return folder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}.cpuprofile`]
}

function looks(sql: postgres.Sql): Required<Pick<Running, 'unfinished' | 'check'>> {
  return {
    async unfinished() {
      const [found] = await sql`SELECT count(*)::int AS count FROM bench.notifications WHERE due_at IS NOT NULL`
      return Number(found?.['count'])
    },
    async check(count) {
      const found = await sql`SELECT status, count(*)::int AS count FROM bench.notifications GROUP BY status`
      const shown = found.map((row) => `${row['status']} ${row['count']}`).join(', ')
      if (shown !== `SENT ${count}`) throw new Error(`expected SENT ${count}, found ${shown}`)
    },
  }
}

async function untilReady(child: Child, url: string): Promise<void> {
  const ready = async () => {
    if (!child.isRunning) return true // told below
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })).status === 200
  }
  await eventually(ready, { withinMs: readyWithinMs, everyMs: 50 }).catch(() => {
    throw child.failure(`was not ready within ${readyWithinMs} ms`)
  })
  if (!child.isRunning) throw child.failure('ended before it was ready')
}
