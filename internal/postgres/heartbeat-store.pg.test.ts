import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aLease, makeNew, storeOne } from '../port/conformance/notification-store.suite.ts'
import { openTestDatabase, type TestDatabase } from '../testkit/database.ts'
import { PostgresHeartbeatStore } from './heartbeat-store.ts'

describe('heartbeats', () => {
  let database: TestDatabase
  let heartbeats: PostgresHeartbeatStore
  beforeAll(async () => {
    database = await openTestDatabase()
    heartbeats = new PostgresHeartbeatStore(database.pool)
  })
  afterAll(() => database.drop())

  it('show who was seen lately, with the latest figures', async () => {
    await heartbeats.beat({ id: 'a', role: 'all', inFlight: 1 })
    await heartbeats.beat({ id: 'a', role: 'all', inFlight: 3 })
    await heartbeats.beat({ id: 'b', role: 'worker', inFlight: 0 })
    await database.admin`UPDATE workers SET last_seen_at = now() - interval '40 s' WHERE id = 'b'`
    expect(await heartbeats.findWorkers(30)).toEqual([
      { id: 'a', role: 'all', inFlight: 3, lastSeenAt: expect.any(Date), ageSeconds: expect.any(Number) },
    ])
    const [, b] = await heartbeats.findWorkers(60)
    expect(b?.ageSeconds).toBeGreaterThanOrEqual(39.9)
  })

  it('forget who leaves, and who was killed a day ago', async () => {
    await heartbeats.beat({ id: 'c', role: 'worker', inFlight: 0 })
    await database.admin`UPDATE workers SET last_seen_at = now() - interval '2 days' WHERE id = 'c'`
    await heartbeats.leave('a')
    const rows = await database.admin<{ id: string }[]>`SELECT id FROM workers`
    expect(rows.map((row) => row.id)).toEqual(['b'])
  })

  it('know the depth of each lane and the age of what is overdue', async () => {
    expect(await heartbeats.queueFigures()).toEqual({
      depth: [],
      oldestDueAgeSeconds: 0,
      oldestDueAgeSecondsByChannel: {},
    })
    const { store } = database
    await store.accept([[makeNew(), makeNew(), makeNew({ channel: 'PUSH', priority: 'HIGH' })]])
    await storeOne(store, { scheduledAt: new Date(Date.now() + 3_600_000) }) // no queue yet
    const sending = await storeOne(store)
    await store.claim([sending.ref], aLease())
    await database.admin`
      UPDATE notifications SET due_at = now() - interval '60 s', ready_at = now() - interval '90 s' WHERE channel = 'PUSH'`
    expect(await store.releaseDue([{ channel: 'PUSH', priority: 'HIGH', count: 10 }])).toHaveLength(1)
    const figures = await heartbeats.queueFigures()
    expect(figures.depth.toSorted((a, b) => a.count - b.count)).toEqual([
      { channel: 'PUSH', priority: 'HIGH', count: 1 },
      { channel: 'SMS', priority: 'NORMAL', count: 2 },
    ])
    expect(Math.round(figures.oldestDueAgeSeconds)).toBe(90)
    expect(figures.oldestDueAgeSecondsByChannel.PUSH).toBe(figures.oldestDueAgeSeconds)
    expect(figures.oldestDueAgeSecondsByChannel.SMS).toBeLessThan(60)
    expect(figures.oldestDueAgeSecondsByChannel.EMAIL).toBeUndefined()
  })
})
