import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import type { Logger } from '../port/telemetry.ts'
import { quoteIdentifier } from './identifier.ts'
import { type MigrationFile, migrationsUrl, readMigrationFiles, splitStatements } from './migration-files.ts'

export interface MigrationOptions {
  readonly url: string
  readonly schema: string
  /** Name of the ledger table within the schema. */
  readonly table: string
  readonly logger: Logger
  /** Where the files lie; default: `migrations/` beside the code. */
  readonly directory?: URL
  /** How long to wait for another process that migrates. Default 120,000. */
  readonly lockWaitMs?: number
}

export interface MigrationState {
  readonly version: number
  readonly name: string
  /** Null: pending. */
  readonly appliedAt: Date | null
  /** False: applied by newer code, this code does not have the file. */
  readonly known: boolean
}

interface AppliedRow {
  readonly version: number
  readonly name: string
  readonly checksum: string
  readonly appliedAt: Date
}

interface Ledger {
  readonly sql: postgres.Sql
  readonly schema: string
  readonly table: string
}

const lockWaitMsDefault = 120_000
const lockPollMs = 200
const lockLogEveryMs = 5_000
const lockTimeoutTriesMax = 10

/**
 * Brings the schema up to date: creates it when missing, then runs each pending file, oldest first, each with its entry
 * in the ledger in one transaction. Replicas may start together: one works, the others wait for it.
 * @returns names of the files that this call applied.
 * @throws Error naming the file when an applied file was changed since, or when a file fails.
 */
export async function migrate(options: MigrationOptions): Promise<readonly string[]> {
  const files = await readMigrationFiles(options.directory ?? migrationsUrl)
  return await withLedger(options, async (ledger) => {
    await takeLock(ledger, options)
    await prepare(ledger)
    const applied = await readApplied(ledger)
    const pending = compare(files, applied, options.logger)
    const done: string[] = []
    for (const file of pending) {
      if (await applyPatiently(ledger, file, options.logger)) done.push(file.name)
    }
    return done
  })
}

/** Names of the files that `migrate` would run; changes nothing. */
export async function pendingMigrations(options: MigrationOptions): Promise<readonly string[]> {
  const states = await listMigrations(options)
  return states.filter((one) => one.appliedAt === null).map((one) => one.name)
}

/**
 * Every migration that the code or the database knows, by version; changes nothing.
 * @throws Error naming the file when an applied file was changed since.
 */
export async function listMigrations(options: MigrationOptions): Promise<readonly MigrationState[]> {
  const files = await readMigrationFiles(options.directory ?? migrationsUrl)
  return await withLedger(options, async (ledger) => {
    const applied = await readApplied(ledger)
    compare(files, applied, options.logger)
    const versions = new Set(files.map((file) => file.version))
    return [
      ...applied.map((row) => ({ ...row, known: versions.has(row.version) })),
      ...files
        .filter((file) => !applied.some((row) => row.version === file.version))
        .map((file) => ({ version: file.version, name: file.name, appliedAt: null, known: true })),
    ].sort((a, b) => a.version - b.version)
  })
}

/** A connection of its own, opened and ended around the work: transactions and session locks need one. */
async function withLedger<T>(options: MigrationOptions, work: (ledger: Ledger) => Promise<T>): Promise<T> {
  const schema = quoteIdentifier(options.schema)
  const table = `${schema}.${quoteIdentifier(options.table)}`
  const sql = postgres(options.url, {
    max: 1,
    connect_timeout: 5,
    idle_timeout: 0,
    max_lifetime: null,
    fetch_types: false,
    onnotice: () => undefined,
    connection: {
      application_name: 'dispatch-migrate',
      search_path: schema,
      lock_timeout: 5_000, // never queue for long behind a reader: everybody else would queue behind us
      statement_timeout: 0,
      DateStyle: 'ISO',
      TimeZone: 'UTC',
    },
  })
  try {
    return await work({ sql, schema: options.schema, table })
  } finally {
    await sql.end({ timeout: 2 })
  }
}

/** Held by the session until it ends; bounded, so that a stuck neighbour is an error with a name. */
async function takeLock({ sql, table }: Ledger, options: MigrationOptions): Promise<void> {
  const lockWaitMs = options.lockWaitMs ?? lockWaitMsDefault
  const key = `dispatch-migrations ${table}`
  for (let waitedMs = 0; ; waitedMs += lockPollMs) {
    const [row] = await sql.unsafe<{ locked: boolean }[]>(
      'SELECT pg_try_advisory_lock(hashtextextended($1::text, 0)) AS locked',
      [key],
    )
    if (row?.locked === true) return
    if (waitedMs >= lockWaitMs) {
      throw new Error(`another process has been migrating ${table} for more than ${lockWaitMs} ms`)
    }
    if (waitedMs % lockLogEveryMs === 0) {
      options.logger.info('waiting for another process that migrates the database', { table, waitedMs })
    }
    await delay(lockPollMs)
  }
}

/** Asked before created: CREATE … IF NOT EXISTS wants the right to create even when there is nothing to do. */
async function prepare({ sql, schema, table }: Ledger): Promise<void> {
  const found = await sql.unsafe('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])
  if (found.length === 0) await sql.unsafe(`CREATE SCHEMA ${quoteIdentifier(schema)}`)
  if (await ledgerExists(sql, table)) return
  await sql.unsafe(`CREATE TABLE ${table} (
    version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`)
}

async function ledgerExists(sql: postgres.Sql, table: string): Promise<boolean> {
  const [row] = await sql.unsafe<{ found: boolean }[]>('SELECT to_regclass($1) IS NOT NULL AS found', [table])
  return row?.found === true
}

async function readApplied({ sql, table }: Ledger): Promise<readonly AppliedRow[]> {
  if (!(await ledgerExists(sql, table))) return []
  return await sql.unsafe<AppliedRow[]>(
    `SELECT version, name, checksum, applied_at AS "appliedAt" FROM ${table} ORDER BY version`,
  )
}

/** What is still to do. A database ahead of the code is normal while a deploy rolls out: said, and accepted. */
function compare(
  files: readonly MigrationFile[],
  applied: readonly AppliedRow[],
  logger: Logger,
): readonly MigrationFile[] {
  const known = new Map(files.map((file) => [file.version, file]))
  for (const row of applied) {
    const file = known.get(row.version)
    if (file === undefined) {
      logger.warn('the database is newer than this code', { version: row.version, migration: row.name })
    } else if (file.checksum !== row.checksum) {
      throw new Error(
        `migration ${file.name} was changed after it was applied to this database as ${row.name}` +
          ` (checksum then ${row.checksum.slice(0, 12)}…, now ${file.checksum.slice(0, 12)}…):` +
          ' restore the file and put the change into a new one',
      )
    }
  }
  const done = new Set(applied.map((row) => row.version))
  return files.filter((file) => !done.has(file.version))
}

/** A lock time-out means that the engine's own traffic was in the way: give way and come again. */
async function applyPatiently(ledger: Ledger, file: MigrationFile, logger: Logger): Promise<boolean> {
  for (let tryNumber = 1; ; tryNumber++) {
    try {
      const fresh = await apply(ledger, file)
      if (fresh) logger.info('migration applied', { migration: file.name })
      return fresh
    } catch (error) {
      const busy = error instanceof postgres.PostgresError && error.code === '55P03'
      if (!busy || tryNumber >= lockTimeoutTriesMax) throw explain(file, error)
      logger.info('migration waits for a lock', { migration: file.name, tryNumber })
      await delay(500 * tryNumber)
    }
  }
}

/** @returns false when another process was first after all (its lock was lost with its connection, or ours). */
async function apply({ sql, table }: Ledger, file: MigrationFile): Promise<boolean> {
  const entry = [file.version, file.name, file.checksum]
  const insert = `INSERT INTO ${table} (version, name, checksum) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1`
  if (file.transactional) {
    return await sql.begin(async (tx) => {
      const inserted = await tx.unsafe(insert, entry) // first: whoever races us waits here, and then finds it done
      if (inserted.length === 0) return false
      await tx.unsafe(file.text).simple()
      return true
    })
  }
  for (const statement of splitStatements(file.text)) await sql.unsafe(statement).simple()
  return (await sql.unsafe(insert, entry)).length > 0
}

function explain(file: MigrationFile, error: unknown): Error {
  const code = error instanceof postgres.PostgresError ? ` (${error.code})` : ''
  const text = error instanceof Error ? error.message : 'unknown error'
  return new Error(`migration ${file.name} failed: ${text}${code}`)
}
