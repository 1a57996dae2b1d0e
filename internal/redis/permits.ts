import type { Redis, Result } from 'ioredis'
import { readNumbers } from './numbers.ts'

/**
 * GCRA of internal/domain/gcra.ts in one round trip, by the clock of the Redis server: replicas with clocks of their
 * own share one bucket without an argument. Whole microseconds everywhere, since fractions are cut off on the way to
 * the client, and `%.0f` since Lua would write such a number with an exponent. The key lives a second longer than it
 * means anything. What Redis forgets (restart, eviction, FLUSHALL) costs at most one extra burst.
 *
 * KEYS[1] bucket · ARGV interval in µs, burst, wanted → { granted, µs until one more can be had }
 */
const lua = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local window = interval * burst
local tat = tonumber(redis.call('GET', KEYS[1]) or '') or now
tat = math.min(math.max(tat, now), now + window)
local granted = math.min(wanted, math.floor((now + window - tat) / interval))
tat = tat + granted * interval
if granted > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
end
local wait = 0
if granted < wanted then wait = math.max(0, tat + interval - now - window) end
return { granted, wait }
`

declare module 'ioredis' {
  interface RedisCommander<Context> {
    takePermits(key: string, intervalUs: number, burst: number, wanted: number): Result<unknown, Context>
  }
}

/** Adds `takePermits` to `redis`; a lost script cache (restart, SCRIPT FLUSH) heals by itself. */
export function definePermits(redis: Redis): void {
  redis.defineCommand('takePermits', { numberOfKeys: 1, lua })
}

/** @throws TypeError when Redis answered something else than two numbers. */
export function readPermits(reply: unknown): { readonly granted: number; readonly retryAfterUs: number } {
  const [granted = 0, retryAfterUs = 0] = readNumbers(reply, 2)
  return { granted, retryAfterUs }
}
