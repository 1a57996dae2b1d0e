import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { lookUpPostmaster } from './harness/embedded-ground.ts'
import { findPort } from './harness/ports.ts'
import { isChosen, profiles } from './harness/profiles.ts'
import { servicesProfile } from './harness/services-ground.ts'
import { useWorld } from './harness/world.ts'

describe.each(profiles)('start ($name)', (profile) => {
  const world = useWorld(profile, { start: false })

  it('tells every problem of its settings at once, without secrets, and ends', async () => {
    const engine = await world.prepareEngine({
      RATE_LIMIT_PER_SEC: 'many',
      JOB_TIMEOUT: '1h',
      APP_ROLE: 'boss',
      WORKER_CONCURRENCY: '0',
      WEBHOOK_SITE_URL: 'ftp://somewhere/secret-path',
      MANAGEMENT_API_KEY: 'secret key with spaces',
    })
    engine.launch()
    expect(await engine.exited(20_000)).toEqual({ code: 1, signal: null })
    for (const name of ['RATE_LIMIT_PER_SEC', 'JOB_TIMEOUT', 'APP_ROLE', 'WORKER_CONCURRENCY', 'WEBHOOK_SITE_URL']) {
      expect(engine.output).toContain(name)
    }
    expect(engine.output).toContain('MANAGEMENT_API_KEY')
    expect(engine.output).not.toMatch(/secret/)
    expect(engine.output).not.toMatch(/^\s+at /m) // a stack helps nobody here
  })

  it('names the port that another program has, ends, and leaves nothing behind', async () => {
    const port = await findPort(world.ground.settings)
    const blocker = createServer().listen({ port, host: '127.0.0.1' })
    await once(blocker, 'listening')
    try {
      const engine = await world.prepareEngine({ API_PORT: String(port) })
      engine.launch()
      expect(await engine.exited()).toEqual({ code: 1, signal: null })
      expect(engine.output).toContain(`API_PORT=${port}`)
      expect(engine.output).toContain('already in use')
      expect(await lookUpPostmaster(world.ground.settings)).toBeNull()
    } finally {
      blocker.close()
    }
  })

  it('starts on what an earlier start left', async () => {
    await world.engine.start()
    expect((await world.client.send('GET', '/readyz')).status).toBe(200)
  })

  if (profile.name === 'embedded') {
    it('refuses a data folder that another engine uses', async () => {
      const second = await world.prepareEngine()
      second.launch()
      expect(await second.exited(20_000)).toEqual({ code: 1, signal: null })
      expect(second.output).toContain(`in use by another engine (process ${world.engine.pid})`)
      expect((await world.client.send('GET', '/readyz')).status).toBe(200)
    })
  }

  it('can be told to stop while it starts', async () => {
    await world.engine.terminate()
    world.engine.launch()
    world.engine.signal('SIGTERM')
    const { code, signal } = await world.engine.exited()
    // Before its handlers stand, the signal ends the process itself.
    expect(code === 0 || signal === 'SIGTERM').toBe(true)
  })
})

describe.runIf(isChosen('services'))('start without servers', () => {
  const world = useWorld(servicesProfile, { start: false })

  it('gives up with the reason when PostgreSQL stays away', async () => {
    const port = await findPort(world.ground.settings)
    const DATABASE_URL = `postgres://app:open-sesame@127.0.0.1:${port}/x`
    const engine = await world.prepareEngine({ DATABASE_URL, STARTUP_TIMEOUT: '1s' })
    engine.launch()
    expect(await engine.exited(20_000)).toEqual({ code: 1, signal: null })
    expect(engine.output).toContain('STARTUP_TIMEOUT')
    expect(engine.output).not.toContain('open-sesame')
  })

  it('serves without RabbitMQ and Redis, accepts, and says that it is not ready', async () => {
    const [amqpPort, redisPort] = [await findPort(world.ground.settings), await findPort(world.ground.settings)]
    const engine = await world.prepareEngine({
      RABBITMQ_URL: `amqp://guest:guest@127.0.0.1:${amqpPort}`,
      REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    })
    engine.launch()
    await engine.untilAccepting()
    const readyz = await engine.client.send('GET', '/readyz')
    expect(readyz.status).toBe(503)
    expect(readyz.json).toEqual({
      status: 'not_ready',
      checks: { postgres: 'ok', redis: 'down', rabbitmq: 'down' },
    })
    expect((await engine.terminate()).code).toBe(0)
  })
})
