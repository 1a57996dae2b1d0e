import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { storeOne } from '../port/conformance/notification-store.suite.ts'
import { openTestDatabase, type TestDatabase } from '../testkit/database.ts'

describe('the tables themselves', () => {
  let database: TestDatabase
  let id: string
  beforeAll(async () => {
    database = await openTestDatabase()
    id = (await storeOne(database.store)).id
  })
  afterAll(() => database.drop())

  it.each([
    ['an unfinished row that nobody would look at again', 'notifications', 'due_at = NULL'],
    ['a finished row that is still due', 'notifications', "status = 'SENT'"],
    ['a claim without an end', 'notifications', "status = 'SENDING'"],
    ['a lease without a claim', 'notifications', 'lease_until = now()'],
    ['a row that never ends', 'notifications', 'expires_at = NULL'],
    ['a due time after the end of life', 'notifications', "due_at = expires_at + interval '1 s'"],
    ['a failure without a reason', 'notifications', "status = 'FAILED', due_at = NULL"],
    ['a state nobody knows', 'notifications', "status = 'LOST'"],
    ['a priority nobody serves', 'notifications', 'priority = 4'],
    ['more attempts than the budget', 'notifications', 'attempt_count = max_attempts + 1'],
    ['metadata encoded twice', 'payloads', 'metadata = \'"{}"\''],
  ])('refuse %s', async (_, table, change) => {
    const update = database.admin.unsafe(`UPDATE ${table} SET ${change} WHERE id = '${id}'`)
    await expect(update).rejects.toMatchObject({ code: expect.stringMatching(/^2350|^23514/) })
  })

  it('take channels that this code does not know', async () => {
    const update = database.admin.unsafe(`UPDATE notifications SET channel = 'PIGEON' WHERE id = '${id}'`)
    expect((await update).count).toBe(1)
  })
})
