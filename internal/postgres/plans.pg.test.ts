import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lanes } from '../domain/notification.ts'
import { aLease, failing, makeNew, settlementOf } from '../port/conformance/notification-store.suite.ts'
import { openTestDatabase, silentPoolDeps, type TestDatabase } from '../testkit/database.ts'
import { eventually } from '../testkit/eventually.ts'
import { PostgresNotificationStore } from './notification-store.ts'
import { encodeParam, type Param } from './params.ts'
import { PostgresPool, type Statement } from './pool.ts'
import { laneArrays } from './rows.ts'
import { countDueStatement, nextDueStatement, releaseDueStatement, sweepOrphansStatement } from './scan-statements.ts'
import {
  claimedBeforeStatement,
  claimStatement,
  deferStatement,
  lateSuccessStatement,
  releaseStatement,
  settledBeforeStatement,
  settleStatement,
} from './work-statements.ts'

const id = '01890000-0000-7000-8000-000000000000'
const provider = ['p', null, 503, 'c', 'm', null, 5, 'c', 'k@1', null].map((one) => [one])
type Hot = readonly (readonly [Statement<unknown>, readonly Param[]])[]

/** Planned once a session, in the pool that keeps plans. */
const kept: Hot = [
  [claimStatement, [[id], [0], 'w', 60_000]],
  [claimedBeforeStatement, [[id], [0], 'w']],
  [settleStatement, [[id], [1], ['retry'], [null], [1_000], [true], [false], ['transient'], ...provider]],
  [settledBeforeStatement, [[id], [1], [1]]],
]

/** Planned for each run. */
const fresh: Hot = [
  [lateSuccessStatement, [[id], [1], [1], [0], ['p'], [null], [200], [null], [5], ['c'], ['k@1'], [null]]],
  [deferStatement, [[id], [0], [1_000]]],
  [releaseStatement, [[id], [1], [250]]],
  [releaseDueStatement, [...laneArrays(lanes), lanes.map(() => 100)]],
  [countDueStatement, [...laneArrays(lanes), 100]],
  [sweepOrphansStatement, [100, 1_000]],
  [nextDueStatement, laneArrays(lanes)],
]

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly Plans?: readonly PlanNode[]
}

/** Accesses that read a whole table or index; a walk over an index is a table scan in disguise. */
function walksOf(node: PlanNode): string[] {
  const whole = node['Relation Name'] !== undefined && node['Node Type'] !== 'ModifyTable'
  const bounded = node['Index Cond'] !== undefined || node['Node Type'] === 'Bitmap Heap Scan'
  const own = whole && !bounded ? [`${node['Node Type']} ${node['Index Name'] ?? ''} of ${node['Relation Name']}`] : []
  return [...own, ...(node.Plans ?? []).flatMap(walksOf)]
}

const literal = (param: Param) => {
  const value = encodeParam(param)
  return typeof value === 'string' ? `'${value}'` : String(value)
}

describe.each([
  { plans: 'kept', hot: kept },
  { plans: 'fresh', hot: fresh },
] as const)('$plans plans of the hot statements', ({ plans, hot }) => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await openTestDatabase({ max: 1, plans }) // one session, so that its prepared statements are met again
  })
  afterAll(() => database.drop())

  /** What the session would run for a statement that it prepared long ago. */
  async function walks(statement: Statement<unknown>, params: readonly Param[]): Promise<string[]> {
    const text = `EXPLAIN (FORMAT JSON) EXECUTE plan_${statement.name}(${params.map(literal).join(', ')})`
    const [row] = await database.pool.run<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>({ name: 'explain', text })
    const plan = row?.['QUERY PLAN'][0]?.Plan
    if (plan === undefined) throw new Error('no plan')
    return walksOf(plan)
  }

  async function expectBounded(): Promise<void> {
    for (const [statement, params] of hot) expect(await walks(statement, params), statement.name).toEqual([])
  }

  /** Half of them have been tried once. */
  async function grow(count: number): Promise<void> {
    const rows = Array.from({ length: count }, (_, n) => makeNew({ tenant: 't', recipient: `r${n}` }))
    await database.store.accept([rows])
    const half = rows.slice(0, count / 2).map((row) => ({ id: row.id, leaseToken: 0 }))
    const claims = await database.store.claim(half, aLease())
    await database.store.settle(claims.map((one) => settlementOf(one, failing('transient'))))
  }

  const tables = 'notifications, payloads, attempts, idempotency'

  it('stay bounded when they were prepared on an empty table that then grows', async () => {
    await database.admin.unsafe(`ANALYZE ${tables}`)
    for (const [statement, params] of hot) {
      await database.pool.run({ name: 'prepare', text: `PREPARE plan_${statement.name} AS ${statement.text}` })
      // After five runs PostgreSQL would keep a plan if it was let.
      for (let run = 0; run < 8; run++) await walks(statement, params)
    }
    for (let batch = 0; batch < 3; batch++) await grow(1_000)
    await expectBounded()
  })

  // What autovacuum does; a million rows are looked at by `make bench SCENARIOS=backlog`.
  it.each([10, 10_000])('are bounded with fresh statistics of %d rows', async (count) => {
    await database.admin.unsafe(`TRUNCATE ${tables}`)
    for (let left = count; left > 0; left -= 1_000) await grow(Math.min(left, 1_000))
    await database.admin.unsafe(`VACUUM (ANALYZE) ${tables}`)
    await expectBounded()
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
