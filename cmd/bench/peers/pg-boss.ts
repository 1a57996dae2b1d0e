import pg from 'pg'
import { PgBoss } from 'pg-boss'
import type { Notification } from '../deliver.ts'
import type { OpenPeer } from './peer.ts'

const name = 'deliver'
const workers = 4

/**
 * pg-boss with everything that its documentation offers for throughput: workers are woken by NOTIFY, fetch in batches
 * and go on at once while batches are full; a batch is completed by one statement.
 */
export const openPgBoss: OpenPeer = async ({ databaseUrl, concurrency, deliver }) => {
  const boss = new PgBoss({ connectionString: databaseUrl, useListenNotify: true })
  boss.on('error', (error) => console.error(error))
  await boss.start()
  await boss.createQueue(name, { notify: true, retryLimit: 4, retryDelay: 1, retryBackoff: true })
  const options = {
    localConcurrency: workers,
    batchSize: Math.max(1, Math.floor(concurrency / workers)),
    burstWhenBatchFull: true,
    pollingIntervalSeconds: 0.5,
    notifyPollingIntervalSeconds: 0.5,
  }
  await boss.work<Notification>(name, options, async (jobs) => {
    await Promise.all(jobs.map(({ data }) => deliver(data)))
  })
  const looking = new pg.Pool({ connectionString: databaseUrl, max: 1 })
  return {
    add: (one) => boss.send(name, one),
    addMany: (all) =>
      boss.insert(
        name,
        all.map((data) => ({ data })),
      ),
    async unfinished() {
      const found = await looking.query<{ left: number }>(
        `SELECT count(*)::int AS left FROM pgboss.job WHERE name = $1 AND state < 'completed'`,
        [name],
      )
      return found.rows[0]?.left ?? 0
    },
    async close() {
      await boss.stop({ graceful: true, timeout: 5_000 })
      await looking.end()
    },
  }
}
