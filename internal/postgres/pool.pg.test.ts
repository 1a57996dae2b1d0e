import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DependencyUnavailableError, RejectedDataError } from '../domain/errors.ts'
import { openTestDatabase, type TestDatabase } from '../testkit/database.ts'
import { eventually } from '../testkit/eventually.ts'
import { TcpProxy } from '../testkit/tcp-proxy.ts'
import { RecordingLogger, RecordingTelemetry } from '../testkit/telemetry.ts'
import { StatementRefusedError } from './driver-errors.ts'
import { PostgresHealth } from './health.ts'
import { DatabaseLink } from './link.ts'
import { PostgresPool, type PostgresPoolOptions } from './pool.ts'
import { assertSafeSettings, reportForeignTables } from './settings-check.ts'

describe('the pool', () => {
  let database: TestDatabase
  const open: PostgresPool[] = []
  beforeAll(async () => {
    database = await openTestDatabase()
    await database.admin`CREATE TABLE hits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int NOT NULL)`
  })
  afterAll(async () => {
    await Promise.all(open.map((pool) => pool.end()))
    await database.drop()
  })

  function openPool(options: Partial<PostgresPoolOptions> = {}) {
    const telemetry = new RecordingTelemetry()
    const logger = new RecordingLogger()
    const { url, schema } = database
    const pool = new PostgresPool(
      { url, schema, max: 5, applicationName: `${schema}_p`, ...options },
      { telemetry, link: new DatabaseLink({ telemetry, logger }) },
    )
    open.push(pool)
    return { pool, telemetry, logger }
  }
  async function throughProxy() {
    const { hostname, port } = new URL(database.url)
    const proxy = await TcpProxy.start({ host: hostname, port: Number(port) })
    const url = new URL(database.url)
    url.port = String(proxy.port)
    return { proxy, url: url.href }
  }
  const insert = { name: 'hit', text: 'INSERT INTO hits (v) VALUES ($1::int) RETURNING id::float8 AS id' }

  it('survives the loss of every backend under load: nobody is stuck, nothing is uncaught', async () => {
    const applicationName = `${database.schema}_k`
    const { pool, telemetry, logger } = openPool({ applicationName })
    const counts = { ok: 0, failed: 0, kills: 0, okAfterKills: 0 }
    const untilMs = performance.now() + 1_500
    const killing = async () => {
      while (performance.now() < untilMs - 500) {
        await delay(100)
        await database.admin`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ${applicationName}`
        counts.kills++
      }
    }
    const working = async () => {
      while (performance.now() < untilMs) {
        try {
          await pool.run(insert, [1])
          counts.ok++
          if (performance.now() > untilMs - 400) counts.okAfterKills++
        } catch (error) {
          if (!(error instanceof DependencyUnavailableError)) throw error
          counts.failed++
        }
      }
    }
    await Promise.all([killing(), ...Array.from({ length: 30 }, working)])
    expect(counts.okAfterKills).toBeGreaterThan(50)
    expect(counts.failed).toBeGreaterThan(0)
    expect(pool.generation).toBeGreaterThanOrEqual(1)
    expect(pool.generation).toBeLessThanOrEqual(counts.kills * 2)
    expect(telemetry.calls.pool.at(-1)).toEqual([{ inUse: 0, waiting: 0, generation: pool.generation }])
    expect(telemetry.calls.dependencyUp.at(-1)).toEqual(['postgres', true])
    const told = logger.lines.map((line) => line.message)
    expect(told).toEqual(told.map((_, index) => (index % 2 === 0 ? 'PostgreSQL is away' : 'PostgreSQL is back')))
  })

  it('gives up on a server that says nothing, and is back when it speaks', async () => {
    const { proxy, url } = await throughProxy()
    const { pool } = openPool({ url, max: 2, statementTimeoutMs: 200 })
    await pool.run(insert, [1])
    proxy.freeze()
    const startedAt = performance.now()
    const answers = await Promise.allSettled([1, 2, 3].map((v) => pool.run(insert, [v])))
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    expect(answers.map((one) => (one.status === 'rejected' ? String(one.reason) : 'ok'))).toEqual([
      expect.stringMatching(/did not answer within 1200 ms|PostgreSQL cannot be reached/),
      expect.stringMatching(/did not answer within 1200 ms|PostgreSQL cannot be reached/),
      expect.stringMatching(/no free connection within 200 ms/),
    ])
    proxy.thaw()
    await eventually(() => pool.run(insert, [1]))
    await pool.end()
    await proxy.stop()
  })

  it('says once that the server is away and once that it is back, and heals by itself', async () => {
    const { proxy, url } = await throughProxy()
    const { pool, telemetry, logger } = openPool({ url })
    await pool.run(insert, [1])
    proxy.close()
    for (let tries = 0; tries < 5; tries++) {
      await expect(pool.run(insert, [1])).rejects.toMatchObject({
        code: 'dependency_unavailable',
        dependency: 'postgres',
      })
    }
    proxy.open()
    await eventually(() => pool.run(insert, [1]))
    expect(telemetry.calls.dependencyUp).toEqual([
      ['postgres', true],
      ['postgres', false],
      ['postgres', true],
    ])
    expect(logger.lines.map((line) => line.message)).toEqual(['PostgreSQL is away', 'PostgreSQL is back'])
    await pool.end()
    await proxy.stop()
  })

  it('ends a slow statement and a wait for a lock as unavailable, without giving up the link', async () => {
    const { pool } = openPool({ statementTimeoutMs: 100 })
    await expect(pool.run({ name: 'slow', text: 'SELECT pg_sleep(5)' })).rejects.toBeInstanceOf(
      DependencyUnavailableError,
    )
    expect(pool.generation).toBe(0)
  })

  it('repeats the loser of a deadlock', async () => {
    const { pool, telemetry } = openPool()
    await database.admin`CREATE TABLE pair (id int PRIMARY KEY, v int)`
    await database.admin`INSERT INTO pair VALUES (1, 0), (2, 0)`
    // Takes two rows in the order given, with a pause between: two of these in opposite orders always deadlock once.
    const take = (name: string, first: number, second: number) => ({
      name,
      text: `WITH a AS (UPDATE pair SET v = v + 1 WHERE id = ${first} RETURNING pg_sleep(0.1)),
             b AS (SELECT count(*) FROM a) UPDATE pair SET v = v + 1 FROM b WHERE id = ${second} RETURNING id`,
    })
    await Promise.all([pool.run(take('one', 1, 2)), pool.run(take('two', 2, 1))])
    expect(telemetry.calls.query.length).toBeGreaterThan(2)
    const rows = await database.admin<{ v: number }[]>`SELECT v FROM pair`
    expect(rows.map((row) => row.v)).toEqual([2, 2])
  })

  it('tells refused data from a refused statement, and quotes no value', async () => {
    const { pool } = openPool()
    const secret = 'very-secret-value'
    const asInt = { name: 'as_int', text: 'SELECT $1::text::int' }
    const refused = await pool.run(asInt, [secret]).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(RejectedDataError)
    expect(refused).toMatchObject({ sqlState: '22P02' })
    expect(
      JSON.stringify([refused, String(refused), (refused instanceof Error && refused.cause) || null]),
    ).not.toContain(secret)
    await expect(pool.run({ name: 'bad', text: 'SELECT * FROM no_such_table' })).rejects.toBeInstanceOf(
      StatementRefusedError,
    )
    await expect(pool.run({ name: 'nul', text: 'SELECT $1::text' }, ['a\0b'])).rejects.toMatchObject({
      sqlState: '22021',
    })
  })

  it('carries every kind of parameter and value', async () => {
    const { pool } = openPool()
    const at = new Date('2026-01-02T03:04:05.678Z')
    const text = `SELECT $1::timestamptz AS at, $2::bool AS flag, $3::text AS nothing, $4::bigint::text AS big,
      to_json($5::timestamptz[]) AS dates, to_json($6::bool[]) AS flags, to_json($7::text[]) AS texts, $8::text::jsonb AS json`
    const texts = ['a,"b"', '\\', '', 'NULL', 'ü😀']
    const [row] = await pool.run({ name: 'all', text }, [
      at,
      false,
      null,
      9n,
      [at, null],
      [true, false],
      texts,
      '{"a":[1]}',
    ])
    expect(row).toEqual({
      at,
      flag: false,
      nothing: null,
      big: '9',
      dates: ['2026-01-02T03:04:05.678+00:00', null],
      flags: [true, false],
      texts,
      json: { a: [1] },
    })
  })

  it('answers at once when it is closed, and closes twice', async () => {
    const { pool } = openPool()
    await pool.end()
    await pool.end()
    await expect(pool.run(insert, [1])).rejects.toBeInstanceOf(DependencyUnavailableError)
  })

  it('is healthy when it answers and not when it cannot', async () => {
    const { proxy, url } = await throughProxy()
    const health = new PostgresHealth(openPool({ url }).pool)
    await health.check(new AbortController().signal)
    proxy.close()
    await expect(health.check(new AbortController().signal)).rejects.toThrow('PostgreSQL')
    await expect(health.check(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late')
    await proxy.stop()
  })

  it('accepts safe settings and refuses a commit that does not reach the disk, saying both sides', async () => {
    await assertSafeSettings(database.pool)
    const url = new URL(database.url)
    url.searchParams.set('synchronous_commit', 'off')
    const { pool } = openPool({ url: url.href })
    await expect(assertSafeSettings(pool)).rejects.toThrow(/synchronous_commit: found off, expected on/)
  })

  it('tells that tables of another system are not imported', async () => {
    const { admin, pool, schema } = database
    const [before] = await admin`SELECT to_regclass('public.notifications') IS NOT NULL AS found`
    // A table that is there already is somebody's: it is neither made nor dropped here.
    const isOurs = before?.['found'] !== true
    if (isOurs) await admin`CREATE TABLE public.notifications (id int)`
    const logger = new RecordingLogger()
    await reportForeignTables(pool, schema, logger)
    await reportForeignTables(pool, 'public', logger)
    if (isOurs) await admin`DROP TABLE public.notifications`
    expect(logger.lines.map((line) => line.message)).toEqual([expect.stringContaining('not imported')])
  })
})
