import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../lifecycle/system-clock.ts'
import { limitsOf, rateLimiterConformance } from '../port/conformance/rate-limiter.suite.ts'
import type { Limits } from '../port/rate-limiter.ts'
import { eventually } from '../testkit/eventually.ts'
import { TcpProxy } from '../testkit/tcp-proxy.ts'
import { RecordingLogger, RecordingTelemetry, silentLogger } from '../testkit/telemetry.ts'
import { degradedRetryAfterMs, RedisRateLimiter } from './rate-limiter.ts'

const url = process.env['TEST_REDIS_URL'] ?? ''
if (url === '') throw new Error('TEST_REDIS_URL must name a Redis server for these tests (make test starts one)')

const freshPrefix = () => `test:${randomUUID()}:`

rateLimiterConformance('redis', async (limits) => {
  const limiter = new RedisRateLimiter(
    { url, limits, keyPrefix: freshPrefix() },
    { clock: systemClock, logger: silentLogger, telemetry: new RecordingTelemetry() },
  )
  await limiter.start()
  return { limiter, nowMs: () => performance.now(), pass: (ms) => delay(ms), close: () => limiter.stop() }
})

describe('redis rate limiter', () => {
  const cleanUps: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp()
  })

  async function start(address: string, limits: Limits, keyPrefix = freshPrefix()) {
    const logger = new RecordingLogger()
    const telemetry = new RecordingTelemetry()
    const limiter = new RedisRateLimiter({ url: address, limits, keyPrefix }, { clock: systemClock, logger, telemetry })
    await limiter.start()
    cleanUps.push(() => limiter.stop())
    return { limiter, logger, telemetry }
  }

  /** A network in front of Redis that a test can break. */
  async function openGate() {
    const behind = new URL(url)
    const proxy = await TcpProxy.start({ host: behind.hostname, port: Number(behind.port || '6379') })
    cleanUps.push(() => proxy.stop())
    behind.host = `127.0.0.1:${proxy.port}`
    return { proxy, url: behind.href }
  }

  const generous = limitsOf({ perSecond: 1_000, burst: 1_000 })
  const refusal = { granted: 0, retryAfterMs: degradedRetryAfterMs, degraded: true }

  it('never grants more than one burst to four processes that ask at the same time', async () => {
    const keyPrefix = freshPrefix()
    const limits = limitsOf({ perSecond: 0.01, burst: 20 })
    const replicas = await Promise.all(Array.from({ length: 4 }, () => start(url, limits, keyPrefix)))
    const answers = await Promise.all(
      replicas.flatMap(({ limiter }) => Array.from({ length: 25 }, () => limiter.take('send', 'SMS', 1))),
    )
    expect(answers.reduce((sum, answer) => sum + answer.granted, 0)).toBe(20)
    expect(answers.filter((answer) => answer.degraded)).toEqual([])
  })

  it('goes on when the script cache is lost', async () => {
    const { limiter } = await start(url, generous)
    const admin = new Redis(url)
    cleanUps.push(async () => admin.disconnect())
    expect((await limiter.take('send', 'SMS', 1)).granted).toBe(1)
    await admin.script('FLUSH')
    const answers = await Promise.all([limiter.take('send', 'SMS', 1), limiter.take('send', 'SMS', 1)])
    expect(answers.map((answer) => answer.granted)).toEqual([1, 1])
  })

  it('leaves keys that expire by themselves, one per channel and purpose', async () => {
    const keyPrefix = freshPrefix()
    const { limiter } = await start(url, limitsOf({ perSecond: 10, burst: 10 }), keyPrefix)
    await limiter.take('release', 'EMAIL', 5)
    const admin = new Redis(url)
    cleanUps.push(async () => admin.disconnect())
    const ttlMs = await admin.pttl(`${keyPrefix}{rl:email}:release`)
    expect(ttlMs).toBeGreaterThan(0)
    expect(ttlMs).toBeLessThanOrEqual(1_500)
  })

  it('refuses and says degraded when the server is frozen, and goes on by itself after the thaw', async () => {
    const gate = await openGate()
    const { limiter, logger, telemetry } = await start(gate.url, generous)
    expect(await limiter.take('send', 'SMS', 1)).toMatchObject({ granted: 1, degraded: false })
    gate.proxy.freeze()
    const answers = await Promise.all(Array.from({ length: 20 }, () => limiter.take('send', 'SMS', 1)))
    for (const answer of answers) expect(answer).toEqual(refusal)
    expect(telemetry.calls.limiterDegraded.at(-1)).toEqual([true])
    expect(telemetry.calls.dependencyUp.at(-1)).toEqual(['redis', false])
    await expect(limiter.check(AbortSignal.timeout(1_000))).rejects.toMatchObject({ code: 'dependency_unavailable' })
    gate.proxy.thaw()
    await eventually(async () => expect((await limiter.take('send', 'SMS', 1)).granted).toBe(1), { withinMs: 10_000 })
    await eventually(() => expect(telemetry.calls.limiterDegraded.at(-1)).toEqual([false]), { withinMs: 10_000 })
    expect(telemetry.calls.dependencyUp.at(-1)).toEqual(['redis', true])
    expect(logger.of('warn')).toHaveLength(telemetry.calls.limiterDegraded.filter(([degraded]) => degraded).length)
  })

  it('refuses while Redis is away, with one line in the log, and goes on by itself when it comes', async () => {
    const gate = await openGate()
    gate.proxy.close()
    const { limiter, logger, telemetry } = await start(gate.url, generous)
    for (let asked = 0; asked < 5; asked++) expect(await limiter.take('send', 'SMS', 1)).toEqual(refusal)
    await expect(limiter.check(AbortSignal.timeout(1_000))).rejects.toMatchObject({ dependency: 'redis' })
    expect(logger.of('warn')).toHaveLength(1)
    gate.proxy.open()
    await eventually(() => limiter.check(AbortSignal.timeout(1_000)), { withinMs: 10_000 })
    expect((await limiter.take('send', 'SMS', 1)).granted).toBe(1)
    expect(telemetry.calls.limiterDegraded).toEqual([[true], [false]])
    expect(logger.of('info')).toHaveLength(1)
  })

  it('notices loss and return without anybody asking', async () => {
    const gate = await openGate()
    const { telemetry } = await start(gate.url, generous)
    await eventually(() => expect(telemetry.calls.dependencyUp.at(-1)).toEqual(['redis', true]))
    gate.proxy.close()
    await eventually(() => expect(telemetry.calls.dependencyUp.at(-1)).toEqual(['redis', false]))
    gate.proxy.open()
    await eventually(() => expect(telemetry.calls.dependencyUp.at(-1)).toEqual(['redis', true]), { withinMs: 10_000 })
  })

  it('refuses when nobody listens at the port', async () => {
    const gate = await openGate()
    await gate.proxy.stop()
    const { limiter } = await start(gate.url, generous)
    expect(await limiter.take('send', 'SMS', 1)).toEqual(refusal)
    expect(await limiter.take('release', 'PUSH', 9)).toEqual(refusal)
  })

  it('is not asked for a channel whose limit is off, so such sends do not depend on Redis', async () => {
    const gate = await openGate()
    gate.proxy.close()
    const { limiter } = await start(gate.url, limitsOf({ perSecond: 0, burst: 1 }))
    expect(await limiter.take('send', 'SMS', 500)).toEqual({ granted: 500, retryAfterMs: 0, degraded: false })
  })

  it('refuses instead of rejecting when a key holds something else', async () => {
    const keyPrefix = freshPrefix()
    const { limiter } = await start(url, generous, keyPrefix)
    const admin = new Redis(url)
    cleanUps.push(async () => admin.disconnect())
    await admin.lpush(`${keyPrefix}{rl:sms}:send`, 'x')
    await admin.pexpire(`${keyPrefix}{rl:sms}:send`, 5_000)
    expect(await limiter.take('send', 'SMS', 1)).toEqual(refusal)
    expect((await limiter.take('send', 'PUSH', 1)).granted).toBe(1)
  })

  it('stops with Redis frozen, twice, and says no more', async () => {
    const gate = await openGate()
    const { limiter, logger } = await start(gate.url, generous)
    await limiter.take('send', 'SMS', 1)
    gate.proxy.freeze()
    await limiter.stop()
    await limiter.stop()
    expect(logger.of('warn')).toEqual([])
    expect(await limiter.take('send', 'SMS', 1)).toEqual(refusal)
  })
})
