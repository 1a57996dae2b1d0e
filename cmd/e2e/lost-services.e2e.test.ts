import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../../internal/testkit/eventually.ts'
import type { TcpProxy } from '../../internal/testkit/tcp-proxy.ts'
import { problemOf } from './harness/client.ts'
import type { Engine } from './harness/engine.ts'
import { isChosen } from './harness/profiles.ts'
import { forEachOf, plain, plainItems, untilStatus } from './harness/requests.ts'
import { emptyQueues, emptyRedis, proxied, servicesProfile } from './harness/services-ground.ts'
import { useWorld } from './harness/world.ts'

/** One story: rows whose copies were lost come back after half a minute, and the tests before the last one use the time. */
const rate = 100

describe.runIf(isChosen('services'))('services emptied or away', () => {
  // Few slots: most of the work waits in the broker, where it can be lost.
  const settings = { WORKER_CONCURRENCY: '2', RATE_LIMIT_PER_SEC: String(rate) }
  afterAll(() => Promise.all(Object.values(proxies).map((proxy) => proxy?.stop()))) // after the engine: last in, first out
  const world = useWorld(servicesProfile, { settings, engines: [] })
  const proxies: { postgres?: TcpProxy; rabbitmq?: TcpProxy; redis?: TcpProxy } = {}
  let accepted = 0
  let lost = 0

  beforeAll(async () => {
    const { DATABASE_URL = '', RABBITMQ_URL = '', REDIS_URL = '' } = world.ground.settings
    const [postgres, rabbitmq, redis] = [
      await proxied(DATABASE_URL),
      await proxied(RABBITMQ_URL),
      await proxied(REDIS_URL),
    ]
    Object.assign(proxies, { postgres: postgres.proxy, rabbitmq: rabbitmq.proxy, redis: redis.proxy })
    const urls = { DATABASE_URL: postgres.url, RABBITMQ_URL: rabbitmq.url, REDIS_URL: redis.url }
    await (await world.prepareEngine(urls)).start()
  })

  async function accept(count: number): Promise<readonly string[]> {
    const ids: string[] = []
    await forEachOf(plainItems(count), 2, async (item) => {
      const answer = await world.client.post('/v1/notifications', item)
      expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 202 })
      ids.push(answer.header('location')?.split('/').at(-1) ?? '')
    })
    accepted += count
    return ids
  }

  const deliveredOf = (ids: ReadonlySet<string>, from: number) =>
    world.sink.received(from).filter(({ key }) => ids.has(key?.split(':')[0] ?? ''))

  async function expectReadiness(engine: Engine, status: number, checks: Readonly<Record<string, string>>) {
    await eventually(async () => {
      const answer = await engine.client.send('GET', '/readyz')
      expect(answer.json).toMatchObject({ checks })
      expect(answer.status).toBe(status)
    })
  }

  it('goes on when RabbitMQ and Redis are emptied in the middle', async () => {
    world.sink.behave('slow:40')
    await accept(200)
    await eventually(() => world.sink.count() >= 10)
    lost = await emptyQueues()
    const keys = await emptyRedis()
    console.log(`${lost} messages and ${keys} keys lost after ${world.sink.count()} of ${accepted} deliveries`)
    expect(lost).toBeGreaterThan(50)
    expect(keys).toBeGreaterThan(0)
    world.sink.behave(null)
    const [next = ''] = await accept(1)
    await untilStatus(world.client, next, 'SENT')
  })

  it('accepts while RabbitMQ is away, and sends all the same', async () => {
    proxies.rabbitmq?.close()
    await expectReadiness(world.engine, 503, { postgres: 'ok', redis: 'ok', rabbitmq: 'down' })
    expect((await world.client.send('GET', '/readyz?for=accept')).status).toBe(200)
    const ids = await accept(10)
    for (const id of ids) expect(await untilStatus(world.client, id, 'SENT')).toMatchObject({ attemptCount: 1 })
    proxies.rabbitmq?.open()
    await expectReadiness(world.engine, 200, { rabbitmq: 'ok' })
    const [next = ''] = await accept(1)
    await untilStatus(world.client, next, 'SENT')
  })

  it('accepts while Redis is away, and never sends faster than it may', async () => {
    proxies.redis?.close()
    await expectReadiness(world.engine, 503, { postgres: 'ok', redis: 'down', rabbitmq: 'ok' })
    const from = world.sink.count()
    const count = rate * 2
    const ids = new Set(await accept(count))
    expect((await world.client.figures()).sum('rate_limit_degraded')).toBe(1)
    await eventually(() => deliveredOf(ids, from).length === count, { withinMs: 15_000 })
    const times = deliveredOf(ids, from).map(({ at }) => at)
    const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1_000
    console.log(`without Redis: ${count} sends in ${seconds.toFixed(2)} s`)
    expect(count).toBeLessThanOrEqual((rate * seconds + rate / 10) * 1.15)
    proxies.redis?.open()
    await expectReadiness(world.engine, 200, { redis: 'ok' })
    await eventually(async () => expect((await world.client.figures()).sum('rate_limit_degraded')).toBe(0))
  })

  it('answers 503 with Retry-After while PostgreSQL is away, and lives', async () => {
    proxies.postgres?.close()
    const startedMs = performance.now()
    const [single, read] = await Promise.all([
      world.client.post('/v1/notifications', plain()),
      world.client.send('GET', '/v1/notifications'),
    ])
    console.log(`without PostgreSQL: 503 after ${Math.round(performance.now() - startedMs)} ms`)
    for (const answer of [single, read]) {
      expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 503 })
      expect(Number(answer.header('retry-after'))).toBeGreaterThan(0)
      expect(problemOf(answer).code).toBe('dependency_unavailable')
    }
    await expectReadiness(world.engine, 503, { postgres: 'down' })
    expect((await world.client.send('GET', '/livez')).status).toBe(200)
    proxies.postgres?.open()
    await expectReadiness(world.engine, 200, { postgres: 'ok' })
    const [next = ''] = await accept(1)
    await untilStatus(world.client, next, 'SENT')
  })

  it('answers in time when PostgreSQL is silent', async () => {
    proxies.postgres?.freeze()
    const startedMs = performance.now()
    const answer = await world.client.post('/v1/notifications', plain({ idempotencyKey: 'silent' }))
    console.log(`with a silent PostgreSQL: ${answer.status} after ${Math.round(performance.now() - startedMs)} ms`)
    expect(answer.status).toBe(503)
    proxies.postgres?.thaw()
    await expectReadiness(world.engine, 200, { postgres: 'ok' })
    const { id } = await world.client.create(plain({ idempotencyKey: 'again' }))
    accepted++
    await untilStatus(world.client, id, 'SENT')
  })

  it('has sent everything it accepted in the end, and nothing twice', async () => {
    await eventually(
      async () => {
        const [all, sent] = [await world.client.total(), await world.client.total({ status: 'SENT' })]
        expect(sent).toBe(all)
        expect(all).toBeGreaterThanOrEqual(accepted)
      },
      { withinMs: 60_000, everyMs: 200 },
    )
    // The one that was asked for while PostgreSQL was silent may have been stored: its client was told to repeat it.
    expect(await world.client.total()).toBeLessThanOrEqual(accepted + 1)
    const twice = [...world.deliveries()].filter(([, all]) => all.length > 1)
    expect(twice).toEqual([])
    expect(world.sink.count()).toBe(await world.client.total())
    expect((await world.client.figures()).sum('scan_released_total', { reason: 'lost' })).toBeGreaterThanOrEqual(lost)
  })
})
