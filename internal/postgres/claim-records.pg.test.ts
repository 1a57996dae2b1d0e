import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { NewNotification } from '../domain/notification.ts'
import { accepted, aLease, makeNew, settlementOf, spentLease } from '../port/conformance/notification-store.suite.ts'
import { openTestDatabase, type TestDatabase } from '../testkit/database.ts'
import { eventually } from '../testkit/eventually.ts'

const times = (count: number) => Array.from({ length: count }, (_, index) => index)
const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id).sort()

describe('the records of claims', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await openTestDatabase({ max: 8 })
  })
  beforeEach(() => database.admin`TRUNCATE notifications, payloads, attempts, idempotency, claims, orphans`)
  afterAll(() => database.drop())

  async function storeMany(count: number, change: Partial<NewNotification> = {}) {
    const rows = times(count).map(() => makeNew({ tenant: 'records', ...change }))
    await database.store.accept([rows])
    return rows.map(({ id }) => ({ id, leaseToken: 0 }))
  }

  /** Ids in `claims`, a list for each record, and rows of `orphans`. */
  async function records() {
    const claims = await database.admin<{ ids: string }[]>`SELECT ids::text FROM claims ORDER BY id`
    const orphans = await database.admin`SELECT id FROM orphans`
    return { claims: claims.map(({ ids }) => ids.slice(1, -1).split(',').sort()), orphans: orphans.length }
  }

  const none = { claims: [], orphans: 0 }

  const over = () => database.admin`
    WITH c AS (UPDATE claims SET ends_at = ends_at - interval '1 h')
    UPDATE notifications SET lease_until = lease_until - interval '1 h' WHERE status = 'SENDING'`

  it('hold what a claim has won, and nothing when it won nothing', async () => {
    const refs = await storeMany(3)
    await database.store.claim(refs, aLease())
    await database.store.claim(refs, aLease())
    expect(await records()).toEqual({ claims: [idsOf(refs)], orphans: 0 })
  })

  it.each([
    ['without keys', {}],
    ['with a key', { idempotencyKey: 'k' }],
  ])('hold what an accept %s has stored as claimed', async (_, change) => {
    const [one, other] = [makeNew(change), makeNew()]
    await database.store.accept([[one, other]], { lease: spentLease, ids: new Set([one.id]) })
    expect(await records()).toEqual({ claims: [[one.id]], orphans: 0 })
    expect(idsOf(await database.store.sweepOrphans(10, 60_000))).toEqual([one.id])
    expect(await records()).toEqual(none)
  })

  it('stay while the lease runs and go when it is over, settled as its rows may be', async () => {
    const refs = await storeMany(5)
    const claims = await database.store.claim(refs, aLease())
    await database.store.settle(claims.map((one) => settlementOf(one, accepted)))
    expect(await database.store.sweepOrphans(10, 0)).toEqual([])
    expect((await records()).claims).toHaveLength(1)
    await over()
    expect(await database.store.sweepOrphans(10, 0)).toEqual([])
    expect(await records()).toEqual(none)
  })

  it('of a call that was repeated and won more are all met', async () => {
    const refs = await storeMany(4)
    await database.store.claim(refs.slice(0, 2), spentLease)
    await database.store.claim(refs, { ...spentLease, isRepeat: true })
    expect((await records()).claims.flat().sort()).toEqual(idsOf(refs))
    expect(idsOf(await database.store.sweepOrphans(10, 60_000))).toEqual(idsOf(refs))
    expect(await records()).toEqual(none)
  })

  it('are worked off in parts: never more than asked for, and none forgotten', async () => {
    const refs = await storeMany(300)
    await database.store.claim(refs, spentLease)
    const swept = await database.store.sweepOrphans(1, 60_000)
    expect(swept).toHaveLength(1)
    expect(await records()).toEqual({ claims: [], orphans: 299 })
    const next = await database.store.sweepOrphans(100, 60_000)
    expect(next).toHaveLength(100)
    const rest = await database.store.sweepOrphans(1_000, 60_000)
    expect(idsOf([...swept, ...next, ...rest])).toEqual(idsOf(refs))
    expect(await records()).toEqual(none)
  })

  it('of finished work do not hide what was abandoned behind them', async () => {
    await database.admin`
      INSERT INTO claims (ends_at, ids) SELECT now() - interval '1 h', ARRAY[gen_random_uuid()] FROM generate_series(1, 1200)`
    const refs = await storeMany(1)
    await database.store.claim(refs, spentLease)
    expect(idsOf(await database.store.sweepOrphans(1, 60_000))).toEqual(idsOf(refs))
    expect(await records()).toEqual(none)
  })

  it('are shared between sweepers: every orphan once', async () => {
    const refs = await storeMany(400)
    for (const n of times(20)) await database.store.claim(refs.slice(n * 20, n * 20 + 20), spentLease)
    const found = await Promise.all(
      times(4).map(async () => {
        const own: string[] = []
        for (let empty = 0; empty < 3; ) {
          const swept = await database.store.sweepOrphans(7, 60_000)
          own.push(...swept.map(({ id }) => id))
          empty = swept.length === 0 ? empty + 1 : 0
        }
        return own
      }),
    )
    expect(found.flat().sort()).toEqual(idsOf(refs))
    expect(await records()).toEqual(none)
  })

  it('do not end a later attempt of the same row', async () => {
    const refs = await storeMany(2)
    await database.store.claim(refs, spentLease)
    expect(await database.store.sweepOrphans(1, 0)).toHaveLength(1) // the other one is known as an orphan now
    const [left] = await database.admin<{ id: string }[]>`SELECT id FROM notifications WHERE status = 'SENDING'`
    await database.admin`
      UPDATE notifications SET status = 'QUEUED', lease_until = NULL, lease_owner = NULL WHERE status = 'SENDING'`
    await database.store.claim([{ id: left?.id ?? '', leaseToken: 1 }], aLease())
    expect(await database.store.sweepOrphans(10, 0)).toEqual([])
    expect(await records()).toMatchObject({ claims: [[left?.id]], orphans: 0 })
    await over()
    expect(idsOf(await database.store.sweepOrphans(10, 60_000))).toEqual([left?.id])
  })

  describe('while a settle holds the row', () => {
    /** A session that holds the row as a settle does, then lets it go, changed or not. */
    async function sweepAgainst(change: string) {
      const refs = await storeMany(2)
      const [held] = refs
      await database.store.claim(refs, spentLease)
      const { sweeping } = await database.admin.begin(async (session) => {
        await session`SELECT 1 FROM notifications WHERE id = ${held?.id ?? ''} FOR UPDATE`
        const pending = database.store.sweepOrphans(10, 60_000)
        await eventually(async () => {
          const waiting = await session`
            SELECT 1 FROM pg_stat_activity WHERE application_name = ${database.applicationName} AND wait_event_type = 'Lock'`
          return waiting.length === 1
        })
        await session.unsafe(`${change} WHERE id = '${held?.id}'`)
        return { sweeping: pending }
      })
      return { refs, held, swept: idsOf(await sweeping) }
    }

    it('wait for it, and leave alone what it has ended', async () => {
      const { refs, held, swept } = await sweepAgainst(
        "UPDATE notifications SET status = 'SENT', due_at = NULL, lease_until = NULL, lease_owner = NULL",
      )
      expect(swept).toEqual(idsOf(refs.filter((ref) => ref !== held)))
      expect(await records()).toEqual(none)
    })

    it('wait for it, and end what it has not', async () => {
      const { refs, swept } = await sweepAgainst('UPDATE notifications SET updated_at = now()')
      expect(swept).toEqual(idsOf(refs))
      expect(await records()).toEqual(none)
    })
  })
})
