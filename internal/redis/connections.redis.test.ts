import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import {
  aRate,
  aRequest,
  bucketLimiterConformance,
  mostBeyondRate,
  type TimedGrant,
} from '../port/conformance/bucket-limiter.suite.ts'
import { outletStateConformance } from '../port/conformance/outlet-state.suite.ts'
import { coolingRecipientsMax } from '../port/outlet-state.ts'
import { eventually } from '../testkit/eventually.ts'
import { TcpProxy } from '../testkit/tcp-proxy.ts'
import { RedisBucketLimiter } from './bucket-limiter.ts'
import { RedisLink } from './link.ts'
import { RedisOutletState } from './outlet-state.ts'
import { degradedRetryAfterMs } from './rate-limiter.ts'

const url = process.env['TEST_REDIS_URL'] ?? ''
if (url === '') throw new Error('TEST_REDIS_URL must name a Redis server for these tests (make test starts one)')

const freshPrefix = () => `test:${randomUUID()}:`
const pass = (ms: number) => delay(ms)

async function openLink(address = url): Promise<RedisLink> {
  const link = new RedisLink(address)
  await link.start()
  return link
}

bucketLimiterConformance('redis', async () => {
  const link = await openLink()
  const limiter = new RedisBucketLimiter(link, freshPrefix())
  return { limiter, nowMs: () => performance.now(), pass, close: () => link.stop() }
})

outletStateConformance('redis', async () => {
  const keyPrefix = freshPrefix()
  const [one, two] = [await openLink(), await openLink()]
  const close = async () => {
    await one.stop()
    await two.stop()
  }
  return { state: new RedisOutletState(one, keyPrefix), other: new RedisOutletState(two, keyPrefix), pass, close }
})

describe('connections in redis', () => {
  const cleanUps: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp()
  })

  async function link(address = url): Promise<RedisLink> {
    const opened = await openLink(address)
    cleanUps.push(() => opened.stop())
    return opened
  }

  async function admin(): Promise<Redis> {
    const redis = new Redis(url)
    cleanUps.push(async () => redis.disconnect())
    return redis
  }

  it('hold exactly under four workers: no window grants more than limit and burst', async () => {
    const keyPrefix = freshPrefix()
    const request = aRequest([
      aRate({ limit: 150, perMs: 1_000, burst: 5 }),
      aRate({ limit: 6_000, perMs: 60_000, burst: 60 }),
    ])
    const grants: TimedGrant[] = []
    const untilMs = performance.now() + 800
    const work = async () => {
      const limiter = new RedisBucketLimiter(await link(), keyPrefix)
      while (performance.now() < untilMs) {
        const askedMs = performance.now()
        const grant = await limiter.take(request)
        if (grant.kind === 'granted') grants.push({ askedMs, answeredMs: performance.now() })
      }
    }
    await Promise.all([work(), work(), work(), work()])
    expect(grants.length).toBeGreaterThan(20)
    expect(mostBeyondRate(grants, 150)).toBeLessThanOrEqual(5)
    expect(mostBeyondRate(grants, 100)).toBeLessThanOrEqual(60)
  })

  it('hold no more sends under way than the limit under four workers', async () => {
    const keyPrefix = freshPrefix()
    const request = aRequest([{ kind: 'concurrency', limit: 3 }])
    const limiters = await Promise.all(
      Array.from({ length: 4 }, async () => new RedisBucketLimiter(await link(), keyPrefix)),
    )
    const answers = await Promise.all(
      limiters.flatMap((limiter) => Array.from({ length: 10 }, () => limiter.take(request))),
    )
    expect(answers.filter(({ kind }) => kind === 'granted')).toHaveLength(3)
  })

  it('leave keys that expire by themselves and do not name a recipient', async () => {
    const keyPrefix = freshPrefix()
    const opened = await link()
    const limiter = new RedisBucketLimiter(opened, keyPrefix)
    const state = new RedisOutletState(opened, keyPrefix)
    const buckets = [aRate(), aRate({ scope: 'recipient', perMs: 5_000 }), { kind: 'concurrency', limit: 3 } as const]
    await limiter.take(aRequest(buckets, { recipientKey: 'hash' }))
    state.cool('twilio', 5_000, null)
    state.cool('twilio', 5_000, 'hash')
    state.learn('twilio', { name: null, remaining: 1, resetAfterMs: 1 })
    state.open('twilio', 1, 5_000)
    const redis = await admin()
    const keys = await eventually(async () => {
      const found = await redis.keys(`${keyPrefix}*`)
      expect(found).toHaveLength(7)
      return found
    })
    for (const key of keys) {
      expect(key).toContain('{c:twilio}')
      expect(await redis.pttl(key)).toBeGreaterThan(0)
      expect(await redis.pttl(key)).toBeLessThanOrEqual(3_600_000)
    }
  })

  it('keep a bound on recipients that wait', async () => {
    const opened = await link()
    const state = new RedisOutletState(opened, freshPrefix())
    for (let at = 0; at < coolingRecipientsMax + 5; at++) state.cool('a', 60_000 + at * 10, `r${at}`)
    await eventually(async () => {
      const [standing] = (await state.read(['a'])) ?? []
      expect(standing?.coolingRecipients.has(`r${coolingRecipientsMax + 4}`)).toBe(true)
      expect(standing?.coolingRecipients.size).toBe(coolingRecipientsMax)
    })
  })

  it('are not asked for long while Redis is frozen, and go on after the thaw', async () => {
    const behind = new URL(url)
    const proxy = await TcpProxy.start({ host: behind.hostname, port: Number(behind.port || '6379') })
    cleanUps.push(() => proxy.stop())
    behind.host = `127.0.0.1:${proxy.port}`
    const keyPrefix = freshPrefix()
    const opened = await link(behind.href)
    const limiter = new RedisBucketLimiter(opened, keyPrefix)
    const state = new RedisOutletState(opened, keyPrefix)
    expect((await limiter.take(aRequest([aRate()]))).kind).toBe('granted')
    proxy.freeze()
    const refusal = { kind: 'refused', waitMs: degradedRetryAfterMs, scope: 'connection', degraded: true }
    expect(await limiter.take(aRequest([aRate()]))).toEqual(refusal)
    expect(await state.read(['a'])).toBeNull()
    expect(await state.probe('a', 1_000)).toBeNull()
    await expect(limiter.use('a', [aRate()])).rejects.toMatchObject({ dependency: 'redis' })
    proxy.thaw()
    await eventually(async () => expect((await limiter.take(aRequest([aRate()]))).kind).toBe('granted'), {
      withinMs: 10_000,
    })
    await eventually(async () => expect(await state.read(['a'])).toHaveLength(1), { withinMs: 10_000 })
  })

  it('survive the loss of the script cache', async () => {
    const opened = await link()
    const limiter = new RedisBucketLimiter(opened, freshPrefix())
    await limiter.take(aRequest([aRate()]))
    await (await admin()).script('FLUSH')
    expect((await limiter.take(aRequest([aRate()]))).kind).toBe('granted')
  })
})
