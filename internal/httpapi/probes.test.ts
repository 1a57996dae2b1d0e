import { describe, expect, it } from 'vitest'
import type { HealthCheck, QueueFigures } from '../port/health.ts'
import { settle } from '../testkit/manual-clock.ts'
import { figures, nowMs, setup } from './app.suite.ts'
import { healthSchema, heartbeatSchema, readySchema } from './response-schemas.ts'

const fine = (name: HealthCheck['name']): HealthCheck => ({ name, check: () => Promise.resolve() })
const away = (name: HealthCheck['name']): HealthCheck => ({ name, check: () => Promise.reject(new Error('away')) })
const hanging = (name: HealthCheck['name']): HealthCheck => ({ name, check: () => new Promise(() => undefined) })

describe('/livez and /metrics', () => {
  it('lives without asking anybody', async () => {
    const { send } = setup({ deps: { checks: [hanging('postgres')] } })
    const response = await send('/livez')
    expect([response.status, await response.text()]).toEqual([200, '{"status":"ok"}'])
  })

  it('hands out the text of the registry', async () => {
    const response = await setup().send('/metrics')
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(await response.text()).toBe('up 1\n')
  })
})

describe('/readyz', () => {
  it('is ready when every check is', async () => {
    const response = await setup().send('/readyz')
    expect([response.status, await response.text()]).toEqual([
      200,
      '{"status":"ready","checks":{"postgres":"ok","redis":"ok","rabbitmq":"ok"}}',
    ])
  })

  it('names what is down; accepting asks only for PostgreSQL', async () => {
    const { send } = setup({ deps: { checks: [fine('postgres'), away('redis'), fine('rabbitmq')] } })
    const response = await send('/readyz')
    expect(response.status).toBe(503)
    expect(readySchema.parse(await response.json())).toEqual({
      status: 'not_ready',
      checks: { postgres: 'ok', redis: 'down', rabbitmq: 'ok' },
    })
    const accept = await send('/readyz?for=accept')
    expect([accept.status, await accept.json()]).toEqual([200, { status: 'ready', checks: { postgres: 'ok' } }])
  })

  it('waits for a check no longer than a second', async () => {
    const { send, clock } = setup({ deps: { checks: [hanging('postgres'), fine('redis')] } })
    const answer = send('/readyz')
    await clock.advance(999)
    expect(await Promise.race([answer, settle().then(() => 'waiting')])).toBe('waiting')
    await clock.advance(1)
    expect(await (await answer).json()).toEqual({ status: 'not_ready', checks: { postgres: 'down', redis: 'ok' } })
    expect(clock.pending).toBe(0)
  })

  it('asks once for many probes, and again after a second', async () => {
    let asked = 0
    const counting: HealthCheck = {
      name: 'postgres',
      async check() {
        asked++
        await settle()
      },
    }
    const { send, clock } = setup({ deps: { checks: [counting] } })
    await Promise.all([send('/readyz'), send('/readyz'), send('/health'), send('/readyz?for=accept')])
    expect(asked).toBe(1)
    await clock.advance(999)
    await send('/readyz')
    expect(asked).toBe(1)
    await clock.advance(1)
    await send('/readyz')
    expect(asked).toBe(2)
  })

  it('is not ready from the first moment of a stop, while it still lives', async () => {
    const { send, readiness } = setup()
    readiness.setStopping()
    for (const path of ['/readyz', '/readyz?for=accept']) expect((await send(path)).status).toBe(503)
    expect((await send('/livez')).status).toBe(200)
  })
})

describe('/health', () => {
  const queue: QueueFigures = {
    depth: [{ channel: 'SMS', priority: 'HIGH', count: 3 }],
    oldestDueAgeSeconds: 1.5,
    oldestDueAgeSecondsByChannel: {},
  }
  const heartbeat = { findWorkers: async () => [], queueFigures: async () => queue }

  it('is healthy with figures', async () => {
    const { send, clock } = setup({ deps: { heartbeat } })
    await clock.advance(61_500)
    const response = await send('/health')
    expect([response.status, healthSchema.parse(await response.json())]).toEqual([
      200,
      {
        status: 'healthy',
        version: '0.1.0',
        uptimeSeconds: 61,
        role: 'all',
        checks: { postgres: 'ok', redis: 'ok', rabbitmq: 'ok' },
        dispatch: 'normal',
        queues: [{ channel: 'SMS', priority: 'HIGH', waiting: 3 }],
        oldestDueAgeSeconds: 1.5,
      },
    ])
  })

  it('is degraded without the broker', async () => {
    const { send } = setup({ deps: { heartbeat, checks: [fine('postgres'), away('rabbitmq')] } })
    const response = await send('/health')
    expect([response.status, healthSchema.parse(await response.json()).status]).toEqual([200, 'degraded'])
  })

  it('still answers, within a second, when PostgreSQL hangs', async () => {
    const never = () => new Promise<never>(() => undefined)
    const { send, clock } = setup({
      deps: { checks: [hanging('postgres')], heartbeat: { findWorkers: never, queueFigures: never } },
    })
    const answer = send('/health')
    await clock.advance(1_000)
    const response = await answer
    expect(response.status).toBe(503)
    expect(healthSchema.parse(await response.json())).toMatchObject({ status: 'unhealthy', queues: null })
  })
})

describe('/v1/queue/heartbeat', () => {
  const worker = { id: 'w1', role: 'worker', lastSeenAt: new Date(nowMs), inFlight: 2, ageSeconds: 3 }
  const waiting = { ...figures, depth: [{ channel: 'SMS' as const, priority: 'LOW' as const, count: 4 }] }

  it.each([
    ['passes with a worker and nothing overdue', [worker], waiting, 'pass', 200],
    ['passes for a process of every role', [{ ...worker, role: 'all' }], waiting, 'pass', 200],
    ['warns when workers fall behind', [worker], { ...waiting, oldestDueAgeSeconds: 61 }, 'warn', 200],
    ['warns without a worker while nothing waits', [], figures, 'warn', 200],
    ['fails when work waits without a worker', [], waiting, 'fail', 503],
    ['does not take a scheduler for a worker', [{ ...worker, role: 'api,scheduler' }], waiting, 'fail', 503],
  ])('%s', async (_what, seen, queue, verdict, status) => {
    const { send } = setup({ deps: { heartbeat: { findWorkers: async () => seen, queueFigures: async () => queue } } })
    const response = await send('/v1/queue/heartbeat')
    const body = heartbeatSchema.parse(await response.json())
    expect([response.status, body.status.status]).toEqual([status, verdict])
    expect(body.workers).toHaveLength(seen.length)
  })

  it('shows the worker as it reported', async () => {
    const { send } = setup({
      deps: { heartbeat: { findWorkers: async () => [worker], queueFigures: async () => waiting } },
    })
    expect(await (await send('/v1/queue/heartbeat')).json()).toEqual({
      status: { status: 'pass' },
      workers: [{ id: 'w1', role: 'worker', lastSeenAt: '2026-01-01T00:00:00.000Z', inFlight: 2 }],
      dispatch: 'normal',
      backlog: 4,
      oldestDueAgeSeconds: 0,
    })
  })

  it('warns while dispatch goes on without the broker or the shared limit, and says which', async () => {
    const { send } = setup({
      deps: {
        heartbeat: { findWorkers: async () => [worker], queueFigures: async () => waiting },
        dispatchWithout: () => ['rabbitmq', 'redis'],
      },
    })
    const response = await send('/v1/queue/heartbeat')
    expect([response.status, heartbeatSchema.parse(await response.json())]).toMatchObject([
      200,
      { dispatch: 'degraded', status: { status: 'warn', detail: 'dispatch goes on without rabbitmq and redis' } },
    ])
    expect(healthSchema.parse(await (await send('/health')).json())).toMatchObject({
      status: 'degraded',
      dispatch: 'degraded',
    })
  })

  it('fails when PostgreSQL does not answer', async () => {
    const gone = () => Promise.reject(new Error('gone'))
    const { send } = setup({ deps: { heartbeat: { findWorkers: gone, queueFigures: gone } } })
    const response = await send('/v1/queue/heartbeat')
    expect([response.status, await response.json()]).toEqual([
      503,
      {
        status: { status: 'fail', detail: 'PostgreSQL did not answer' },
        workers: [],
        dispatch: 'normal',
        backlog: null,
        oldestDueAgeSeconds: null,
      },
    ])
  })
})
