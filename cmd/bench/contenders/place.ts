import { readFile } from 'node:fs/promises'
import path from 'node:path'
import postgres from 'postgres'
import { clusterUrl } from '../../../internal/embedded/postgres/cluster.ts'
import { findPostmaster, stopPostmaster } from '../../../internal/embedded/postgres/postmaster.ts'
import { systemClock } from '../../../internal/lifecycle/system-clock.ts'
import { removeFolder } from '../../e2e/harness/ground.ts'
import type { Ground } from '../ground.ts'

/** What an engine of a turn stands on. */
export interface Place {
  readonly settings: Readonly<Record<string, string>>
  /** For a look at the engine's tables, once it is ready. */
  connect(): Promise<postgres.Sql>
  /** When the engine has ended, or before it did as it should. */
  close(): Promise<void>
}

export function servicesPlace({ urls, sql }: Ground): Place {
  return {
    settings: { DATABASE_URL: urls.postgres, RABBITMQ_URL: urls.rabbitmq, REDIS_URL: urls.redis },
    connect: () => Promise.resolve(sql),
    close: () => Promise.resolve(), // the ground is for all
  }
}

/** A data folder of its own, which goes after the turn. */
export function embeddedPlace({ folder }: Ground, turn: string): Place {
  const dataDir = path.join(folder, `embedded-${turn}`)
  const postmaster = () => findPostmaster(path.join(dataDir, 'data'))
  let sql: postgres.Sql | null = null
  return {
    settings: { EMBEDDED: '1', DATA_DIR: dataDir },
    async connect() {
      const server = await postmaster()
      if (server === null) throw new Error('the built-in PostgreSQL does not run')
      const password = await readFile(path.join(dataDir, 'password'), 'utf8')
      sql = postgres(clusterUrl(server.port, password.trim()), { max: 1, onnotice: () => undefined })
      return sql
    },
    async close() {
      await sql?.end({ timeout: 2 })
      const left = await postmaster() // of an engine that was killed
      if (left !== null) await stopPostmaster(left.pid, systemClock)
      await removeFolder(dataDir)
    },
  }
}
