import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aLease, failing, makeNew, settlementOf, storeOne } from '../port/conformance/notification-store.suite.ts'
import { openTestDatabase, type TestDatabase } from '../testkit/database.ts'
import { eventually } from '../testkit/eventually.ts'
import { expedite } from './scan.ts'

describe('expedite', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await openTestDatabase()
  })
  afterAll(() => database.drop())

  it('makes what waits for a worker due now; schedules, retries and claims keep their time', async () => {
    const { store } = database
    await store.accept([Array.from({ length: 3 }, () => makeNew({ channel: 'PUSH' }))])
    await storeOne(store, { channel: 'EMAIL', scheduledAt: new Date(Date.now() + 3_600_000) })
    const [retried, claimed] = [await storeOne(store, { channel: 'SMS' }), await storeOne(store, { channel: 'SMS' })]
    const [claim] = await store.claim([retried.ref], aLease())
    if (claim === undefined) throw new Error('one claim expected')
    await store.settle([settlementOf(claim, failing('transient'))])
    await store.claim([claimed.ref], aLease())
    expect(await expedite(database.pool)).toBe(3)
    const lanes = (['SMS', 'EMAIL', 'PUSH'] as const).map((channel) => ({ channel, priority: 'NORMAL' }) as const)
    expect(await store.countDue(lanes, 10)).toEqual([{ channel: 'PUSH', priority: 'NORMAL', count: 3 }])
    expect(await expedite(database.pool)).toBe(0)
  })

  it('makes a retry due now that was released in its time and never reached a worker', async () => {
    const { store } = database
    const lane = { channel: 'EMAIL', priority: 'HIGH' } as const
    const one = await storeOne(store, lane)
    const [claim] = await store.claim([one.ref], aLease())
    if (claim === undefined) throw new Error('one claim expected')
    const decision = { kind: 'retry', afterMs: 0, burnsBudget: true } as const
    await store.settle([{ ...settlementOf(claim, failing('transient')), decision }])
    await eventually(async () => (await store.releaseDue([{ ...lane, count: 1 }])).length === 1)
    expect(await store.countDue([lane], 10)).toEqual([])
    expect(await expedite(database.pool)).toBe(1)
    expect(await store.countDue([lane], 10)).toEqual([{ ...lane, count: 1 }])
  })
})
