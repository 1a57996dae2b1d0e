import { notificationStoreConformance } from '../port/conformance/notification-store.suite.ts'
import { openTestDatabase } from '../testkit/database.ts'

notificationStoreConformance('PostgreSQL', async () => {
  const database = await openTestDatabase()
  return { store: database.store, close: () => database.drop() }
})
