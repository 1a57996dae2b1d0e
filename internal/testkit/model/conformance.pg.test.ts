import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../database.ts'
import { anyCommands } from './conformance-commands.ts'
import { idempotencyTtlMs, Pair, ttlMs } from './pair.ts'
import { hungAfterMs, runSettings } from './seed.ts'
import type { Planted } from './steps.ts'

/** Random sequences of statements on the model and on PostgreSQL: same answers, same rows, after every single one. */
describe('the model of the store', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await openTestDatabase()
  })
  afterAll(() => database.drop())

  const property = (bugs: readonly Planted[]) => {
    const settings = { notificationTtlMs: ttlMs, idempotencyTtlSeconds: idempotencyTtlMs / 1_000 }
    const store = database.storeWith(settings)
    return fc.asyncProperty(anyCommands, async (commands) => {
      const pair = new Pair(store, database.admin, new Set(bugs))
      await pair.begin()
      await fc.asyncModelRun(() => ({ model: {}, real: pair }), commands)
    })
  }

  it(
    'does to rows what PostgreSQL does',
    async () => {
      await fc.assert(property([]), runSettings({ runs: 150, forMs: 6_000 }))
    },
    hungAfterMs(6_000),
  )

  it.each(['claim_ignores_token', 'settle_ignores_token', 'sweep_keeps_token', 'retry_is_due_at_once'] as const)(
    'finds a model that differs: %s',
    async (bug) => {
      const found = await fc.check(property([bug]), { seed: 1, numRuns: 300, endOnFailure: true })
      expect(found.failed).toBe(true)
    },
    hungAfterMs(60_000),
  )
})
