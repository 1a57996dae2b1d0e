import { describe, expect, it } from 'vitest'
import { aConnection, connectionStoreConformance } from '../port/conformance/connection-store.suite.ts'
import { openTestDatabase } from '../testkit/database.ts'
import { PostgresConnectionStore } from './connection-store.ts'

async function open() {
  const database = await openTestDatabase()
  return { database, store: new PostgresConnectionStore(database.pool), close: () => database.drop() }
}

connectionStoreConformance('PostgresConnectionStore', open)

describe('connections in PostgreSQL', () => {
  it('survive pauses, resumes, changes and removals of one id at the same time', async () => {
    const { store, close } = await open()
    const pause = { code: 'config', reason: 'wrong' }
    for (let round = 0; round < 10; round++) {
      const since = await store.revision()
      await Promise.all([
        store.pause(since, 'main', pause),
        store.saveConnection(since, aConnection),
        store.resume('main'),
        store.removeConnection(since, 'main'),
        store.pause(since, 'main', pause),
      ])
    }
    const { revision } = await store.read()
    expect(revision).toBeGreaterThan(10)
    await close()
  })

  it.each(["'[]'", "'1'", `'"{}"'`])('never hold a configuration that is %s', async (json) => {
    const { database, store, close } = await open()
    await store.saveConnection(await store.revision(), aConnection)
    await expect(database.admin.unsafe(`UPDATE connections SET config = ${json}`)).rejects.toThrow('check')
    await expect(database.admin.unsafe(`UPDATE connections SET secrets = ${json}`)).rejects.toThrow('check')
    await close()
  })
})
