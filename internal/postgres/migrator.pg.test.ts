import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openAdmin, testDatabaseUrl, uniqueName } from '../testkit/database.ts'
import { RecordingLogger } from '../testkit/telemetry.ts'
import { listMigrations, type MigrationOptions, migrate, pendingMigrations } from './migrator.ts'

describe('the migrator', () => {
  let admin: postgres.Sql
  let folder: string
  let schema: string
  let logger: RecordingLogger
  beforeAll(() => {
    admin = openAdmin(testDatabaseUrl(), 'public')
  })
  afterAll(() => admin.end({ timeout: 2 }))
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'migrations-'))
    schema = uniqueName('Test-Mig') // needs its quotes
    logger = new RecordingLogger()
  })
  afterEach(async () => {
    await admin.unsafe(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
    await rm(folder, { recursive: true })
  })

  const options = (): MigrationOptions => ({
    url: testDatabaseUrl(),
    schema,
    table: 'schema_migrations',
    logger,
    directory: pathToFileURL(`${folder}/`),
  })
  const write = (name: string, text: string) => writeFile(path.join(folder, name), text)
  const rowsOf = async (table: string) => await admin.unsafe<{ n: number }[]>(`SELECT * FROM "${schema}".${table}`)

  it('applies every pending file once, in order, several statements each', async () => {
    await write('0002_more.sql', 'INSERT INTO a VALUES (2); INSERT INTO a VALUES (3);')
    await write('0001_first.sql', '-- why\nCREATE TABLE a (n int);\nINSERT INTO a VALUES (1);\n')
    await write('README.md', 'no migration')
    expect(await pendingMigrations(options())).toEqual(['0001_first', '0002_more'])
    expect(await migrate(options())).toEqual(['0001_first', '0002_more'])
    expect(await migrate(options())).toEqual([])
    expect(await pendingMigrations(options())).toEqual([])
    expect((await rowsOf('a')).map((row) => row.n)).toEqual([1, 2, 3])
  })

  it('lets replicas start together: each file is applied once, and all go on', async () => {
    await write('0001_slow.sql', 'CREATE TABLE a (n int); SELECT pg_sleep(0.4); INSERT INTO a VALUES (1);')
    const applied = await Promise.all([1, 2, 3, 4].map(() => migrate(options())))
    expect(applied.flat()).toEqual(['0001_slow'])
    expect(await rowsOf('a')).toHaveLength(1)
    expect(logger.of('info').some((line) => line.message.startsWith('waiting for another process'))).toBe(true)
  })

  it('does not wait for ever for a neighbour', async () => {
    await write('0001_a.sql', 'SELECT 1')
    const key = `dispatch-migrations "${schema}"."schema_migrations"`
    await admin.begin(async (tx) => {
      await tx`SELECT pg_advisory_xact_lock(hashtextextended(${key}::text, 0))`
      await expect(migrate({ ...options(), lockWaitMs: 300 })).rejects.toThrow('another process has been migrating')
    })
  })

  it('refuses when an applied file was changed, naming it; other line ends are no change', async () => {
    await write('0001_first.sql', 'SELECT 1;\nSELECT 2;\n')
    await migrate(options())
    await write('0001_first.sql', 'SELECT 1;\r\nSELECT 2;\r\n')
    expect(await migrate(options())).toEqual([])
    await write('0001_first.sql', 'SELECT 1;\nSELECT 3;\n')
    await expect(migrate(options())).rejects.toThrow(/migration 0001_first was changed after it was applied/)
    await expect(pendingMigrations(options())).rejects.toThrow(/0001_first/)
  })

  it('accepts a database that is newer than the code, and says so', async () => {
    await write('0001_first.sql', 'SELECT 1')
    await write('0003_newer.sql', 'SELECT 1')
    await migrate(options())
    await rm(path.join(folder, '0003_newer.sql'))
    await write('0002_between.sql', 'CREATE TABLE between_them (n int)')
    expect(await migrate(options())).toEqual(['0002_between'])
    expect(logger.of('warn')[0]).toMatchObject({
      message: 'the database is newer than this code',
      fields: { version: 3, migration: '0003_newer' },
    })
    expect((await listMigrations(options())).map((one) => [one.name, one.appliedAt !== null, one.known])).toEqual([
      ['0001_first', true, true],
      ['0002_between', true, true],
      ['0003_newer', true, false],
    ])
  })

  it('leaves nothing of a file that fails, and says which failed and why', async () => {
    await write('0001_fine.sql', 'CREATE TABLE a (n int)')
    await write('0002_broken.sql', 'INSERT INTO a VALUES (1); SELECT no_such_function();')
    await expect(migrate(options())).rejects.toThrow(/migration 0002_broken failed: .*no_such_function.* \(42883\)/)
    expect(await rowsOf('a')).toEqual([])
    expect(await pendingMigrations(options())).toEqual(['0002_broken'])
    await write('0002_broken.sql', 'INSERT INTO a VALUES (1)')
    expect(await migrate(options())).toEqual(['0002_broken'])
  })

  it('runs a file outside a transaction when its first line says so', async () => {
    await write('0001_fine.sql', 'CREATE TABLE a (n int)')
    await write(
      '0002_index.sql',
      '-- no-transaction: an index built while the engine works\nCREATE INDEX CONCURRENTLY a_n ON a (n);\nCREATE INDEX CONCURRENTLY a_m ON a ((n + 1));\n',
    )
    expect(await migrate(options())).toEqual(['0001_fine', '0002_index'])
  })

  it('changes nothing when it is only asked', async () => {
    await write('0001_first.sql', 'SELECT 1')
    await pendingMigrations(options())
    expect(await admin`SELECT 1 FROM pg_namespace WHERE nspname = ${schema}`).toEqual([])
  })

  it('refuses file and table names it cannot trust', async () => {
    await write('1_first.sql', 'SELECT 1')
    await expect(migrate(options())).rejects.toThrow(/migration 1_first.sql: expected a name like/)
    await rm(path.join(folder, '1_first.sql'))
    await write('0001_a.sql', 'SELECT 1')
    await write('0001_b.sql', 'SELECT 1')
    await expect(migrate(options())).rejects.toThrow(/0001_a and 0001_b have the same version/)
    await rm(path.join(folder, '0001_b.sql'))
    await expect(migrate({ ...options(), table: 'x"; DROP' })).rejects.toThrow(RangeError)
  })

  it('finds the project’s own migrations without being told where', async () => {
    const { directory: _, ...own } = options()
    expect((await migrate(own))[0]).toBe('0001_notifications')
  })
})
