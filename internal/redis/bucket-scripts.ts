import type { Redis, Result } from 'ioredis'
import { costMax } from '../domain/gcra.ts'
import { slotLookAgainMs } from '../port/bucket-limiter.ts'

/**
 * What one send needs out of all its buckets, or nothing: `takeAllPermits` of internal/domain/gcra.ts for the rates, a
 * sorted set of places with the time of their end for the sends under way. By the clock of the server, in whole
 * microseconds, as in permits.ts. All keys have one hash tag, so they live on one node of a cluster.
 *
 * KEYS one per bucket · ARGV id of the place, then four per bucket: `rate`, interval in µs, burst, cost; or `slots`,
 * limit, hold in ms, 0 → { µs to wait (0 = granted), which bucket waits the longest, from 1 }
 */
const take = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wait, slowest, tats = 0, 0, {}
for i, key in ipairs(KEYS) do
  local at = 4 * i - 2
  local need = 0
  if ARGV[at] == 'rate' then
    local interval, burst = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local window, cost = interval * burst, interval * math.min(math.max(tonumber(ARGV[at + 3]), 1), ${costMax})
    local tat = tonumber(redis.call('GET', key) or '') or now
    tat = math.min(math.max(tat, now), now + math.max(window, interval * ${costMax}))
    need = tat + cost - now - math.max(window, cost)
    tats[i] = tat + cost
  else
    redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
    if redis.call('ZCARD', key) >= tonumber(ARGV[at + 1]) then need = ${slotLookAgainMs * 1_000} end
  end
  if need > wait then wait, slowest = need, i end
end
if wait > 0 then return { wait, slowest } end
for i, key in ipairs(KEYS) do
  local at = 4 * i - 2
  if tats[i] then
    redis.call('SET', key, string.format('%.0f', tats[i]), 'PX', math.ceil((tats[i] - now) / 1000) + 1000)
  else
    local hold = tonumber(ARGV[at + 2])
    redis.call('ZADD', key, string.format('%.0f', now + hold * 1000), ARGV[1])
    redis.call('PEXPIRE', key, hold + 1000)
  end
end
return { 0, 0 }
`

/** KEYS one per bucket · ARGV `rate` or `slots` for each → µs that a rate is ahead of now, or places in use. */
const look = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local found = {}
for i, key in ipairs(KEYS) do
  if ARGV[i] == 'rate' then
    found[i] = math.max((tonumber(redis.call('GET', key) or '') or now) - now, 0)
  else
    found[i] = redis.call('ZCOUNT', key, string.format('(%.0f', now), '+inf')
  end
end
return found
`

declare module 'ioredis' {
  interface RedisCommander<Context> {
    takeBuckets(keyCount: number, ...keysAndArguments: (string | number)[]): Result<unknown, Context>
    lookAtBuckets(keyCount: number, ...keysAndArguments: (string | number)[]): Result<unknown, Context>
  }
}

/** Adds both scripts; a lost script cache (restart, SCRIPT FLUSH) heals by itself. */
export function defineBuckets(redis: Redis): void {
  redis.defineCommand('takeBuckets', { lua: take })
  redis.defineCommand('lookAtBuckets', { lua: look })
}
