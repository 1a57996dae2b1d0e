import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NewNotification } from '../domain/notification.ts'
import {
  accepted,
  aLease,
  failing,
  makeNew,
  settlementOf,
  spentLease,
  storeOne,
} from '../port/conformance/notification-store.suite.ts'
import type { AcceptResult, Orphan } from '../port/notification-store.ts'
import { openTestDatabase, silentPoolDeps, type TestDatabase } from '../testkit/database.ts'
import { eventually } from '../testkit/eventually.ts'
import { RecordingTelemetry } from '../testkit/telemetry.ts'
import { PostgresNotificationStore } from './notification-store.ts'
import { PostgresPool } from './pool.ts'

/** Different at every run, printed by a failing assertion; the races do not depend on it. */
function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

const times = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('races on PostgreSQL', () => {
  let database: TestDatabase
  let pool: PostgresPool
  let store: PostgresNotificationStore
  const telemetry = new RecordingTelemetry()
  /** A deadlock would be repeated quietly by the pool; here every repeat counts. */
  const runsOf = (name: string) => telemetry.calls.query.filter(([statement]) => statement === name).length

  beforeAll(async () => {
    database = await openTestDatabase()
    pool = new PostgresPool(
      { url: database.url, schema: database.schema, max: 12, applicationName: `${database.schema}_r` },
      silentPoolDeps(telemetry),
    )
    store = new PostgresNotificationStore(
      { work: pool, rest: pool },
      { notificationTtlMs: 86_400_000, idempotencyTtlSeconds: 86_400 },
    )
  })
  afterAll(async () => {
    await pool.end()
    await database.drop()
  })

  async function storeMany(count: number, change: Partial<NewNotification> = {}) {
    const rows = times(count).map(() => makeNew({ tenant: 'races', ...change }))
    await store.accept([rows])
    return { rows, ids: rows.map(({ id }) => id), refs: rows.map(({ id }) => ({ id, leaseToken: 0 })) }
  }

  it('has one winner per claim out of many racing claimers', async () => {
    const { ids, refs } = await storeMany(150)
    const won = await Promise.all(times(12).map((n) => store.claim(shuffled(refs), { ...aLease(), owner: `w${n}` })))
    expect(
      won
        .flat()
        .map(({ id }) => id)
        .sort(),
    ).toEqual(ids.toSorted())
  })

  it('lets either the settle or the sweep end an attempt, never both', async () => {
    for (const round of times(6)) {
      const tenant = `swept-${round}`
      const { ids, refs } = await storeMany(40, { tenant })
      const claims = await store.claim(refs, spentLease)
      const chunks = times(4).map((n) => claims.filter((_, index) => index % 4 === n))
      const [swept, ...settled] = await Promise.all([
        store.sweepOrphans(20 + round, 60_000),
        ...chunks.map((chunk) => store.settle(shuffled(chunk).map((one) => settlementOf(one, accepted)))),
      ])
      const rest: Orphan[] = []
      await eventually(async () => {
        rest.push(...(await store.sweepOrphans(1_000, 60_000)))
        return (await store.count(tenant, { status: 'SENDING' })) === 0
      })
      const mine = new Set(ids)
      const ended = [...swept, ...rest, ...settled.flat()].map(({ id }) => id).filter((id) => mine.has(id))
      expect(ended.sort()).toEqual(ids.toSorted())
    }
  })

  it('lets either the cancel or the claim have a row, and the loser knows', async () => {
    const { ids, refs } = await storeMany(60)
    const [claims, ...cancels] = await Promise.all([
      Promise.all(refs.map((ref) => store.claim([ref], aLease()))),
      ...shuffled(ids).map(async (id) => ({ id, result: await store.cancel('races', id) })),
    ])
    const claimed = claims.flat().map(({ id }) => id)
    const canceled = cancels.filter(({ result }) => result.kind === 'canceled').map(({ id }) => id)
    expect([...claimed, ...canceled].sort()).toEqual(ids.toSorted())
    for (const { result } of cancels) {
      expect(['{"kind":"canceled"}', '{"kind":"conflict","status":"SENDING"}']).toContain(JSON.stringify(result))
    }
  })

  it('lets either the replay or the late success move a FAILED row', async () => {
    const { ids, refs } = await storeMany(40, { maxRetries: 1 })
    const claims = await store.claim(refs, aLease())
    await store.settle(claims.map((one) => settlementOf(one, failing('unknown'))))
    // As if the sweep had ended them: a late success is one whose token was raised by somebody else.
    await database.admin`UPDATE notifications SET lease_token = lease_token + 1 WHERE status = 'FAILED'`
    const [late, ...replays] = await Promise.all([
      Promise.all(shuffled(claims).map((one) => store.lateSuccess([settlementOf(one, accepted)]))),
      ...shuffled(ids).map(async (id) => {
        const result = await store.replay({ tenant: 'races', id, generation: 0, force: true })
        return result.kind === 'replayed' ? [id] : []
      }),
    ])
    expect([...late.flat(), ...replays.flat()].sort()).toEqual(ids.toSorted())
  })

  it('replays once, however many ask', async () => {
    const { ids, refs } = await storeMany(10)
    const claims = await store.claim(refs, aLease())
    await store.settle(claims.map((one) => settlementOf(one, failing('permanent'))))
    const asked = times(8).flatMap(() => ids)
    const results = await Promise.all(
      asked.map((id) => store.replay({ tenant: 'races', id, generation: 0, force: false })),
    )
    expect(results.filter(({ kind }) => kind === 'replayed')).toHaveLength(10)
    expect(results.filter(({ kind }) => kind === 'conflict')).toHaveLength(70)
  })

  it('shares due rows between scanners without overlap', async () => {
    const lane = { channel: 'PUSH', priority: 'HIGH' } as const
    const { ids } = await storeMany(400, lane)
    await database.admin`UPDATE notifications SET due_at = now() - interval '1 s' WHERE channel = 'PUSH'`
    const scanned = await Promise.all(
      times(6).map(async () => {
        const released: string[] = []
        for (let empty = 0; empty < 3; ) {
          const page = await store.releaseDue([{ ...lane, count: 17 }])
          released.push(...page.map(({ id }) => id))
          empty = page.length === 0 ? empty + 1 : 0
        }
        return released
      }),
    )
    expect(scanned.flat().sort()).toEqual(ids.toSorted())
  })

  it('lets a claim and a release of the same row both pass without a double send', async () => {
    const lane = { channel: 'EMAIL', priority: 'HIGH' } as const
    const { ids, refs } = await storeMany(100, lane)
    await database.admin`UPDATE notifications SET due_at = now() - interval '1 s' WHERE channel = 'EMAIL'`
    const rounds = await Promise.all([
      ...times(4).map(() => store.claim(shuffled(refs), aLease())),
      ...times(4).map(async () => {
        const released = await store.releaseDue([{ ...lane, count: 40 }])
        return await store.claim(released, aLease())
      }),
    ])
    const won = rounds.flat().map(({ id }) => id)
    expect(new Set(won).size).toBe(won.length)
    const rest = await store.claim(refs, aLease())
    expect([...won, ...rest.map(({ id }) => id)].sort()).toEqual(ids.toSorted())
  })

  it('does not deadlock when groups name the same rows in opposite orders', async () => {
    const before = { settle: runsOf('settle'), defer: runsOf('defer'), release: runsOf('release') }
    for (const _ of times(10)) {
      const { refs } = await storeMany(60)
      const deferred = refs.map((ref) => ({ ...ref, delayMs: 1_000 }))
      await Promise.all([store.defer(deferred), store.defer(deferred.toReversed())])
      const claims = await store.claim(
        refs.map((ref) => ({ ...ref, leaseToken: 1 })),
        aLease(),
      )
      const settlements = claims.map((one) => settlementOf(one, failing('transient')))
      const unbegun = claims.map((claimed) => ({ claimed, delayMs: 5_000 }))
      await Promise.all([
        store.settle(settlements),
        store.settle(settlements.toReversed()),
        store.release(unbegun),
        store.release(unbegun.toReversed()),
      ])
    }
    expect([
      runsOf('settle') - before.settle,
      runsOf('defer') - before.defer,
      runsOf('release') - before.release,
    ]).toEqual([20, 20, 20])
  })

  describe('keys', () => {
    it('has one id per key out of 600 racing calls, each answered, without a deadlock', async () => {
      const before = runsOf('accept')
      const keys = times(7).map((n) => `key-${n}`)
      const calls = times(600).map(() =>
        shuffled(keys)
          .slice(0, 3)
          .map((idempotencyKey) => makeNew({ tenant: 'keys', idempotencyKey })),
      )
      const results = await Promise.all(calls.map((call) => store.accept([call])))
      const idsByKey = new Map<string, Set<string>>()
      for (const [index, [result]] of results.entries()) {
        if (result?.kind !== 'stored') throw new Error('a call was refused')
        for (const [place, item] of result.items.entries()) {
          const key = calls[index]?.[place]?.idempotencyKey ?? ''
          idsByKey.set(key, (idsByKey.get(key) ?? new Set()).add(item.id))
        }
      }
      expect([...idsByKey.values()].map((ids) => ids.size)).toEqual([1, 1, 1, 1, 1, 1, 1])
      expect(await store.count('keys', {})).toBe(7)
      expect(runsOf('accept') - before).toBe(600)
    })

    it('stores whole requests or nothing of them when bodies of one key race', async () => {
      for (const round of times(15)) {
        const tenant = `bodies-${round}`
        const groups = times(12).map((n) =>
          times(2).map((m) => [
            makeNew({ tenant }),
            makeNew({ tenant, idempotencyKey: 'k', content: `body ${(n + m) % 2}` }),
            makeNew({ tenant }),
          ]),
        )
        const answers = (await Promise.all(groups.map((group) => store.accept(group)))).flat()
        const kinds = (kind: AcceptResult['kind']) => answers.filter((one) => one.kind === kind).length
        expect([kinds('stored'), kinds('conflict')]).toEqual([12, 12])
        expect(answers.every((one) => one.kind !== 'conflict' || one.index === 1)).toBe(true)
        expect(await store.count(tenant, {})).toBe(12 * 2 + 1)
      }
    })

    it('takes a key over once its time is over, and keeps it for ever at 0', async () => {
      const brief = new PostgresNotificationStore(
        { work: pool, rest: pool },
        { notificationTtlMs: 60_000, idempotencyTtlSeconds: 0.05 },
      )
      const first = await storeOne(brief, { idempotencyKey: 'k', content: 'one' })
      const next = { tenant: first.tenant, idempotencyKey: 'k', content: 'two' }
      await eventually(async () => (await brief.accept([[makeNew(next)]]))[0]?.kind === 'stored')
      expect(await brief.count(first.tenant, {})).toBe(2)
      const lasting = new PostgresNotificationStore(
        { work: pool, rest: pool },
        { notificationTtlMs: 60_000, idempotencyTtlSeconds: 0 },
      )
      const { tenant } = await storeOne(lasting, { idempotencyKey: 'k' })
      const [row] = await database.admin`SELECT expires_at::text FROM idempotency WHERE tenant = ${tenant}`
      expect(row?.['expires_at']).toBe('infinity')
    })
  })
})
