import type { Redis, Result } from 'ioredis'
import { costMax } from '../domain/gcra.ts'
import { slotLookAgainMs } from '../port/bucket-limiter.ts'

/**
 * What each of several sends over one connection needs out of all its buckets, or nothing, one after the other:
 * `takeAllPermits` of internal/domain/gcra.ts for the rates, a sorted set of places with the time of their end for the sends
 * under way. By the clock of the server, in whole microseconds, as in permits.ts. All keys have one hash tag, so they live on
 * one node of a cluster. Sends that need the same of the same buckets are one group: once one of them is refused, so are
 * those after it.
 *
 * KEYS for each group one per bucket · ARGV for each group: buckets, sends, how many ids of places follow; these ids; then
 * four per bucket: `rate`, interval in µs, burst, cost; or `slots`, limit, hold in ms, 0 → for each group: how many are
 * granted, µs that the others wait (0 = none are left), which bucket waits the longest, from 1
 */
const take = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answers, first, at = {}, 0, 1
while at <= #ARGV do
  local buckets, sends, ids = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local rules, id = {}, at + 3
  at = id + ids
  for i = 1, buckets do
    local rule = { key = KEYS[first + i] }
    if ARGV[at] == 'rate' then
      local interval = tonumber(ARGV[at + 1])
      local window = interval * tonumber(ARGV[at + 2])
      rule.cost = interval * math.min(math.max(tonumber(ARGV[at + 3]), 1), ${costMax})
      rule.room = math.max(window, rule.cost)
      local most = now + math.max(window, interval * ${costMax})
      rule.tat = math.min(math.max(tonumber(redis.call('GET', rule.key) or '') or now, now), most)
      rule.most = most
    else
      rule.hold = tonumber(ARGV[at + 2])
      redis.call('ZREMRANGEBYSCORE', rule.key, '-inf', string.format('%.0f', now))
      rule.free = tonumber(ARGV[at + 1]) - redis.call('ZCARD', rule.key)
    end
    rules[i] = rule
    at = at + 4
  end
  local granted, wait, slowest = 0, 0, 0
  while granted < sends do
    for i, rule in ipairs(rules) do
      local need = 0
      if rule.cost then need = math.min(rule.tat, rule.most) + rule.cost - now - rule.room
      elseif rule.free <= granted then need = ${slotLookAgainMs * 1_000} end
      if need > wait then wait, slowest = need, i end
    end
    if wait > 0 then break end
    for _, rule in ipairs(rules) do if rule.cost then rule.tat = math.min(rule.tat, rule.most) + rule.cost end end
    granted = granted + 1
  end
  if granted > 0 then
    for _, rule in ipairs(rules) do
      if rule.cost then
        redis.call('SET', rule.key, string.format('%.0f', rule.tat), 'PX', math.ceil((rule.tat - now) / 1000) + 1000)
      else
        local ends, places = string.format('%.0f', now + rule.hold * 1000), {}
        for n = 0, granted - 1 do
          places[2 * n + 1], places[2 * n + 2] = ends, ARGV[id + n]
        end
        redis.call('ZADD', rule.key, unpack(places))
        redis.call('PEXPIRE', rule.key, rule.hold + 1000)
      end
    end
  end
  table.insert(answers, granted)
  table.insert(answers, wait)
  table.insert(answers, slowest)
  first = first + buckets
end
return answers
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
