import type { Redis, Result } from 'ioredis'
import { coolingRecipientsMax, halfOpenKeptMs } from '../port/outlet-state.ts'

/**
 * What processes tell each other of one connection, by the clock of the server, in milliseconds. Every key ends by itself.
 *
 * `cool` lives as long as the wait. `recipients`: keys of recipients, sorted by the end of their wait. `breaker`:
 * `<end of open>:<opens in a row>`, which lives on while half open. `probe` lives as long as somebody tries.
 */
const clock = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`
const breaker = `
local function breaker(key)
  local kept = redis.call('GET', key)
  if not kept then return 0, 0 end
  local untilMs, opens = string.match(kept, '^(%d+):(%d+)$')
  return tonumber(opens or 0), math.max(tonumber(untilMs or 0) - now, 0)
end
`

/** KEYS cool, recipients, breaker, probe, learnt → { cooling, opens, open, probing, { key, wait, … }, learnt, its age } */
const read = `${clock}${breaker}
local opens, openFor = breaker(KEYS[3])
local waits = redis.call('ZRANGEBYSCORE', KEYS[2], string.format('(%.0f', now), '+inf', 'WITHSCORES')
for i = 2, #waits, 2 do waits[i] = tonumber(waits[i]) - now end
return {
  math.max(redis.call('PTTL', KEYS[1]), 0), opens, openFor, math.max(redis.call('PTTL', KEYS[4]), 0),
  waits, redis.call('GET', KEYS[5]) or '', math.max(redis.call('PTTL', KEYS[5]), 0),
}
`

/** KEYS cool · ARGV ms. Never shortens. */
const cool = `
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], '1', 'PX', ARGV[1]) end
`

/** KEYS recipients · ARGV key, ms. Never shortens; the set ends with its last wait. */
const coolRecipient = `${clock}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, ${-coolingRecipientsMax - 1})
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
`

/** KEYS breaker, probe · ARGV opens in a row, ms. Of processes that open it at once the first counts. */
const open = `${clock}${breaker}
local opens, openFor = breaker(KEYS[1])
if openFor > 0 and opens >= tonumber(ARGV[1]) then return end
local untilMs = string.format('%.0f', now + tonumber(ARGV[2]))
redis.call('SET', KEYS[1], untilMs .. ':' .. ARGV[1], 'PX', tonumber(ARGV[2]) + ${halfOpenKeptMs})
redis.call('DEL', KEYS[2])
`

/** KEYS breaker, probe · ARGV ms → 1 when this send may go, else 0 */
const probe = `${clock}${breaker}
local opens, openFor = breaker(KEYS[1])
if opens == 0 then return 1 end
if openFor > 0 then return 0 end
if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[1]) then return 1 end
return 0
`

declare module 'ioredis' {
  interface RedisCommander<Context> {
    readStanding(...keysAndArguments: (string | number)[]): Result<unknown, Context>
    coolConnection(...keysAndArguments: (string | number)[]): Result<unknown, Context>
    coolRecipient(...keysAndArguments: (string | number)[]): Result<unknown, Context>
    openBreaker(...keysAndArguments: (string | number)[]): Result<unknown, Context>
    probeBreaker(...keysAndArguments: (string | number)[]): Result<unknown, Context>
  }
}

/** Adds the scripts; a lost script cache (restart, SCRIPT FLUSH) heals by itself. */
export function defineStanding(redis: Redis): void {
  redis.defineCommand('readStanding', { numberOfKeys: 5, lua: read })
  redis.defineCommand('coolConnection', { numberOfKeys: 1, lua: cool })
  redis.defineCommand('coolRecipient', { numberOfKeys: 1, lua: coolRecipient })
  redis.defineCommand('openBreaker', { numberOfKeys: 2, lua: open })
  redis.defineCommand('probeBreaker', { numberOfKeys: 2, lua: probe })
}
