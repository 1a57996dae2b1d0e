import { Redis, type RedisOptions } from 'ioredis'
import { backoffMs } from '../lifecycle/backoff.ts'

/** A little under the 200 ms that the ports promise, for the way back to the caller. */
export const answerWithinMs = 190
/** For ever; a restarted Redis is found within two seconds. */
const reconnectPause = { minMs: 50, baseMs: 100, maxMs: 2_000 }

/** Nothing waits for Redis: no queue of commands, every command and every socket with a deadline of its own. */
const connectionOptions = {
  lazyConnect: true,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  commandTimeout: 200,
  socketTimeout: 1_000,
  connectTimeout: 1_000,
  disconnectTimeout: 200,
  autoResendUnfulfilledCommands: false,
  enableAutoPipelining: true,
  retryStrategy: (failures) => backoffMs(reconnectPause, failures, Math.random),
  reconnectOnError: (error) => error.message.startsWith('READONLY'), // failed over: the name leads to another server now
} satisfies RedisOptions

/** Not connected yet. */
export function makeRedis(url: string): Redis {
  return new Redis(url, connectionOptions)
}

/** Whatever happens to `work`, the answer comes in time; what it settles to later is dropped. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const overrun = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, overrun])
  } finally {
    clearTimeout(timer)
  }
}
