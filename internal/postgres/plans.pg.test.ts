import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aLease, failing, makeNew, settlementOf, spentLease } from '../port/conformance/notification-store.suite.ts'
import { openTestDatabase, silentPoolDeps, type TestDatabase } from '../testkit/database.ts'
import { eventually } from '../testkit/eventually.ts'
import { hotStatements, prepareHot, walksIn } from '../testkit/plans.ts'
import { PostgresNotificationStore } from './notification-store.ts'
import { PostgresPool } from './pool.ts'

describe.each(['kept', 'fresh'] as const)('%s plans of the hot statements', (plans) => {
  const hot = hotStatements[plans]
  let database: TestDatabase

  beforeAll(async () => {
    database = await openTestDatabase({ max: 1, plans }) // one session, so that its prepared statements are met again
  })
  afterAll(() => database.drop())

  /** Half of them have been tried once, a quarter were abandoned, and the sweep has found a few of these. */
  async function grow(count: number): Promise<void> {
    const rows = Array.from({ length: count }, (_, n) => makeNew({ tenant: 't', recipient: `r${n}` }))
    await database.store.accept([rows])
    const half = rows.slice(0, count / 2).map((row) => ({ id: row.id, leaseToken: 0 }))
    const claims = await database.store.claim(half, aLease())
    await database.store.settle(claims.map((one) => settlementOf(one, failing('transient'))))
    for (const ref of rows.slice(-count / 4)) await database.store.claim([{ ...ref, leaseToken: 0 }], spentLease)
    await database.store.sweepOrphans(2, 60_000)
  }

  const tables = 'notifications, payloads, attempts, idempotency, claims, orphans'

  it('stay bounded when they were prepared on an empty table that then grows', async () => {
    await database.admin.unsafe(`ANALYZE ${tables}`)
    await prepareHot(database.pool, hot)
    // After five runs PostgreSQL would keep a plan if it was let.
    for (let run = 0; run < 8; run++) await walksIn(database.pool, hot)
    for (let batch = 0; batch < 3; batch++) await grow(1_000)
    expect(await walksIn(database.pool, hot)).toEqual([])
  })

  // What autovacuum does; a million rows are looked at by `make bench SCENARIOS=backlog`.
  it.each([10, 10_000])('are bounded with fresh statistics of %d rows', async (count) => {
    await database.admin.unsafe(`TRUNCATE ${tables}`)
    for (let left = count; left > 0; left -= 1_000) await grow(Math.min(left, 1_000))
    await database.admin.unsafe(`VACUUM (ANALYZE) ${tables}`)
    expect(await walksIn(database.pool, hot)).toEqual([])
  })
})

describe('a claim', () => {
  it('updates in place, without a new index entry, while the page has room', async () => {
    const database = await openTestDatabase()
    await database.store.accept([Array.from({ length: 2_000 }, () => makeNew({ tenant: 't' }))])
    const rows = await database.admin<{ id: string }[]>`SELECT id FROM notifications ORDER BY random() LIMIT 200`
    const claimers = { url: database.url, schema: database.schema, max: 1, applicationName: database.schema }
    const pool = new PostgresPool(claimers, silentPoolDeps())
    const store = new PostgresNotificationStore(
      { work: pool, rest: pool },
      { notificationTtlMs: 60_000, idempotencyTtlSeconds: 60 },
    )
    const refs = rows.map((row) => ({ id: row.id, leaseToken: 0 }))
    await store.claim(refs, aLease())
    await pool.end() // a session hands in its statistics when it ends
    const updates = await eventually(async () => {
      const [row] = await database.admin<{ hot: number; all: number }[]>`
        SELECT pg_stat_get_tuples_hot_updated('notifications'::regclass)::int AS hot,
               pg_stat_get_tuples_updated('notifications'::regclass)::int AS all`
      if (row?.all !== 200) throw new Error('the statistics are not there yet')
      return row
    })
    expect(updates.hot).toBeGreaterThan(180)
    await database.drop()
  })
})

interface Explained {
  readonly 'QUERY PLAN': readonly [
    { readonly Plan: { 'Actual Rows': number; 'Shared Hit Blocks': number; 'Shared Read Blocks': number } },
  ]
}

describe('a sweep', () => {
  /** Pages that both of its statements look at while they end one row. */
  async function pagesOf(database: TestDatabase): Promise<number> {
    const one = makeNew({ tenant: 't' })
    await database.store.accept([[one]])
    await database.store.claim([{ id: one.id, leaseToken: 0 }], spentLease)
    const texts = hotStatements.fresh.filter(([{ name }]) => ['end_claims', 'sweep_orphans'].includes(name))
    expect(texts).toHaveLength(2)
    return await database.admin.begin(async (session) => {
      await session.unsafe('SET LOCAL enable_seqscan = off')
      let pages = 0
      for (const [{ text }, params] of texts) {
        await session.unsafe(`PREPARE pages_of AS ${text}`)
        const [row] = await session.unsafe<Explained[]>(
          `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE pages_of(${params.join()})`,
        )
        await session.unsafe('DEALLOCATE pages_of')
        const plan = row?.['QUERY PLAN'][0].Plan
        pages += (plan?.['Shared Hit Blocks'] ?? Number.NaN) + (plan?.['Shared Read Blocks'] ?? Number.NaN)
        expect(plan?.['Actual Rows']).toBe(1)
      }
      return pages
    })
  }

  it('looks at no more when ten thousand rows are overdue', async () => {
    const database = await openTestDatabase({ max: 1 })
    const before = await pagesOf(database)
    for (let batch = 0; batch < 10; batch++) {
      await database.store.accept([Array.from({ length: 1_000 }, () => makeNew({ tenant: 't' }))])
    }
    await database.admin`UPDATE notifications SET due_at = now() - interval '1 s' WHERE status = 'QUEUED'`
    await database.admin.unsafe('VACUUM (ANALYZE) notifications, claims, orphans')
    // One more page down each of the few indexes; all overdue rows lie on hundreds.
    expect(await pagesOf(database)).toBeLessThan(before + 20)
    await database.drop()
  })
})
