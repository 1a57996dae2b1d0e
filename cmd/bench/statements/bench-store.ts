import postgres from 'postgres'
import { migrate } from '../../../internal/postgres/migrator.ts'
import { PostgresNotificationStore } from '../../../internal/postgres/notification-store.ts'
import { PostgresPool } from '../../../internal/postgres/pool.ts'
import { silentPoolDeps } from '../../../internal/testkit/database.ts'
import { hotStatements, prepareHot, walksIn } from '../../../internal/testkit/plans.ts'
import { silentLogger } from '../../../internal/testkit/telemetry.ts'

const settings = { notificationTtlMs: 86_400_000, idempotencyTtlSeconds: 86_400 }
const flushStatement = { name: 'flush_statistics', text: 'SELECT pg_stat_force_next_flush()::text' }
const tables = 'notifications, payloads, attempts, claims, orphans'

export interface Sizes {
  /** Of the index that the scan lives on. */
  readonly dueIndexBytes: number
  /** Of all indexes of `notifications`. */
  readonly indexesBytes: number
  /** Of all that a notification leaves something in, with their indexes. */
  readonly tablesBytes: number
}

/** The store of the engine, with the session settings of the engine, over a schema of its own. */
export class BenchStore {
  readonly name: string
  readonly store: PostgresNotificationStore
  /** Past the store, for making rows and for looking. */
  readonly admin: postgres.Sql
  readonly #schema: string
  readonly #work: PostgresPool
  readonly #rest: PostgresPool

  private constructor(name: string, url: string, schema: string) {
    this.name = name
    this.#schema = schema
    // One session each: it hands in its statistics when it is asked to.
    this.admin = postgres(url, { max: 1, onnotice: () => undefined, connection: { search_path: schema } })
    const session = { url, schema, max: 1, applicationName: schema }
    this.#work = new PostgresPool({ ...session, plans: 'kept' }, silentPoolDeps())
    this.#rest = new PostgresPool(session, silentPoolDeps())
    this.store = new PostgresNotificationStore({ work: this.#work, rest: this.#rest }, settings)
  }

  /** @param name of the condition that it is in, for the report. @param schema one that is not there yet. */
  static async open(name: string, url: string, schema: string): Promise<BenchStore> {
    await migrate({ url, schema, table: 'schema_migrations', logger: silentLogger })
    const opened = new BenchStore(name, url, schema)
    await prepareHot(opened.#work, hotStatements.kept)
    await prepareHot(opened.#rest, hotStatements.fresh)
    return opened
  }

  /** @throws Error when a hot statement, prepared while the tables were empty, would walk a table or an index now. */
  async checkPlans(): Promise<void> {
    const kept = await walksIn(this.#work, hotStatements.kept)
    const fresh = await walksIn(this.#rest, hotStatements.fresh)
    if (kept.length + fresh.length > 0) throw new Error(`${this.name}: ${[...kept, ...fresh].join('; ')}`)
  }

  async vacuum(): Promise<void> {
    await this.admin.unsafe(`VACUUM (ANALYZE) ${tables}`)
  }

  /** Pages that were looked at so far, of all tables and indexes. The look itself adds none. */
  async pages(): Promise<number> {
    await this.#flush()
    const [row] = await this.admin`
      SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::float8 AS count
      FROM pg_statio_user_tables WHERE schemaname = ${this.#schema}`
    return Number(row?.['count'])
  }

  /** A session hands in its statistics now and then, or when it is asked to. */
  async #flush(): Promise<void> {
    for (const pool of [this.#work, this.#rest]) await pool.run(flushStatement)
  }

  /** Dead rows of `notifications`, as the statistics have them. */
  async deadRows(): Promise<number> {
    await this.#flush()
    await this.admin.unsafe(flushStatement.text)
    const [row] = await this.admin`SELECT pg_stat_get_dead_tuples('notifications'::regclass)::int AS count`
    return Number(row?.['count'])
  }

  async sizes(): Promise<Sizes> {
    const [row] = await this.admin`
      SELECT pg_relation_size('notifications_due')::float8 AS due, pg_indexes_size('notifications')::float8 AS indexes,
        (SELECT sum(pg_total_relation_size(t::regclass))::float8 FROM unnest(string_to_array(${tables}, ', ')) AS t) AS tables`
    return {
      dueIndexBytes: Number(row?.['due']),
      indexesBytes: Number(row?.['indexes']),
      tablesBytes: Number(row?.['tables']),
    }
  }

  /** Does not wait for what is under way. The rows stay until the ground is cleaned. */
  async close(): Promise<void> {
    await Promise.all([this.#work.end(), this.#rest.end()])
    await this.admin.end({ timeout: 0 })
  }
}
