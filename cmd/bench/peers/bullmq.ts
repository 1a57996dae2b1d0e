import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Notification } from '../deliver.ts'
import type { OpenPeer } from './peer.ts'

const name = 'deliver'
/** What the engine does by default; finished jobs go, as its documentation advises for production. */
const jobOptions = { attempts: 5, backoff: { type: 'exponential', delay: 1_000 }, removeOnComplete: true }

/** BullMQ: Lua scripts on Redis. Queue and worker have a connection each, as it asks for. */
export const openBullMq: OpenPeer = async ({ redisUrl, concurrency, deliver }) => {
  const connect = () => new Redis(redisUrl, { maxRetriesPerRequest: null })
  const connections = [connect(), connect()] as const
  const queue = new Queue<Notification>(name, { connection: connections[0], defaultJobOptions: jobOptions })
  const worker = new Worker<Notification>(name, (job) => deliver(job.data), { connection: connections[1], concurrency })
  worker.on('error', (error) => console.error(error))
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])
  return {
    add: (one) => queue.add(name, one),
    addMany: (all) => queue.addBulk(all.map((data) => ({ name, data }))),
    async unfinished() {
      const counts = await queue.getJobCounts('wait', 'active', 'delayed', 'prioritized')
      return Object.values(counts).reduce((sum, count) => sum + count, 0)
    },
    async close() {
      await worker.close()
      await queue.close()
      for (const connection of connections) connection.disconnect()
    },
  }
}
