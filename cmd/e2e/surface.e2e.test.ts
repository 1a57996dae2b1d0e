import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../internal/testkit/eventually.ts'
import { problemOf } from './harness/client.ts'
import { profiles } from './harness/profiles.ts'
import { plain, untilFound, untilStatus } from './harness/requests.ts'
import { useWorld } from './harness/world.ts'

const apiKey = 'a-key-for-tests'

describe.each(profiles)('probes, documents and the key ($name)', (profile) => {
  const world = useWorld(profile, { settings: { MANAGEMENT_API_KEY: apiKey, LOG_LEVEL: 'debug' } })

  /** Without the key. */
  async function openGet(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(world.engine.url + path, { headers })
  }

  it('lives and is ready, with every dependency under its name', async () => {
    const [livez, readyz] = [await openGet('/livez'), await openGet('/readyz')]
    expect([livez.status, await livez.json()]).toEqual([200, { status: 'ok' }])
    const checks = { postgres: 'ok', redis: 'ok', rabbitmq: 'ok' }
    expect([readyz.status, await readyz.json()]).toEqual([200, { status: 'ready', checks }])
    expect(await (await openGet('/readyz?for=accept')).json()).toEqual({ status: 'ready', checks: { postgres: 'ok' } })
    expect(await (await openGet('/health')).json()).toMatchObject({ status: 'healthy', role: 'all', checks })
  })

  it('asks for the key on /v1 and nowhere else', async () => {
    const path = '/v1/notifications?limit=1'
    const none = await openGet(path)
    expect(none.status).toBe(401)
    expect(none.headers.get('www-authenticate')).toContain('Bearer')
    expect((await openGet(path, { 'x-api-key': 'wrong' })).status).toBe(401)
    expect((await openGet(path, { authorization: `Bearer ${apiKey}x` })).status).toBe(401)
    expect((await openGet(path, { 'x-api-key': apiKey })).status).toBe(200)
    expect((await openGet(path, { authorization: `Bearer ${apiKey}` })).status).toBe(200)
    const body = JSON.stringify(plain())
    const headers = { 'content-type': 'application/json' }
    const refused = await fetch(`${world.engine.url}/v1/notifications`, { method: 'POST', headers, body })
    expect(refused.status).toBe(401)
    expect(await world.client.total()).toBe(0)
    for (const open of ['/livez', '/readyz', '/metrics', '/health', '/openapi.json', '/docs']) {
      expect([open, (await openGet(open)).status]).toEqual([open, 200])
    }
  })

  it('tells its workers and its backlog', async () => {
    await eventually(async () => {
      const answer = await world.client.send('GET', '/v1/queue/heartbeat')
      expect(answer.status).toBe(200)
      expect(answer.json).toMatchObject({ status: { status: 'pass' }, workers: [{ role: 'all' }], backlog: 0 })
    })
  })

  it('counts what it does', async () => {
    const sum = async (name: string, labels: Readonly<Record<string, string>> = {}) =>
      (await world.client.figures()).sum(name, labels)
    const { id } = await world.client.create(plain({ channel: 'PUSH', priority: 'LOW', content: '[sink 503 200]' }))
    const failed = await world.client.create(plain({ channel: 'EMAIL', content: '[sink 404]' }))
    await untilStatus(world.client, id, 'SENT')
    await untilStatus(world.client, failed.id, 'FAILED')
    expect(await sum('notifications_accepted_total', { channel: 'push', priority: 'low' })).toBe(1)
    await eventually(async () => expect(await sum('notifications_sent_total', { channel: 'push' })).toBe(1))
    expect(await sum('notifications_failed_total', { channel: 'email', reason: 'permanent_error' })).toBe(1)
    expect(await sum('retry_scheduled_total', { channel: 'push' })).toBe(1)
    expect(await sum('notification_send_duration_seconds_count', { channel: 'push' })).toBe(2)
    expect(await sum('scan_released_total', { reason: 'retry' })).toBe(1)
    const created = { method: 'POST', path: '/v1/notifications', status: '202' }
    expect(await sum('http_requests_total', created)).toBe(2)
    expect(await sum('http_requests_total', { path: '/v1/notifications', status: '401' })).toBeGreaterThanOrEqual(4)
    for (const name of ['postgres', 'redis', 'rabbitmq']) expect(await sum('dependency_up', { name })).toBe(1)
    expect(await sum('build_info')).toBe(1)
  })

  it('publishes its contract, and documents that need no other site', async () => {
    const contract: unknown = await (await openGet('/openapi.json')).json()
    expect(contract).toMatchObject({ openapi: expect.stringMatching(/^3\.1\./) })
    expect(contract).toHaveProperty(['paths', '/v1/notifications', 'post', 'responses', '202'])
    expect(contract).toHaveProperty(['paths', '/v1/notifications/batch', 'post'])
    const page = await (await openGet('/docs')).text()
    const assets = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].flatMap(([, url]) => url ?? [])
    expect(assets.length).toBeGreaterThan(0)
    for (const asset of assets.filter((url) => !url.startsWith('data:'))) {
      expect(asset).not.toMatch(/^(https?:)?\/\//)
      const url = new URL(asset, `${world.engine.url}/docs`)
      expect([asset, (await openGet(url.pathname)).status]).toEqual([asset, 200])
    }
  })

  it('writes JSON lines that hold ids, and neither recipient, content nor key', async () => {
    const [name, correlationId] = [randomUUID(), randomUUID()]
    const [recipient, content] = [`${name}@example.com`, `secret-${name}`]
    const said = plain({ channel: 'EMAIL', recipient, content: `${content} [sink 500 200]`, correlationId })
    const { id } = await world.client.create(said)
    await untilStatus(world.client, id, 'SENT')
    await world.client.post('/v1/notifications', { channel: 'SMS', recipient, content: content.repeat(50) })
    await world.client.list({ recipient })
    const lines = await untilFound('log lines', () => {
      const found = world.engine.output.split('\n').filter((line) => line.includes(id))
      return found.length >= 2 ? found : null
    })
    const parsed = lines.map((line) => {
      const value: unknown = JSON.parse(line)
      return value
    })
    expect(parsed).toContainEqual(expect.objectContaining({ notificationId: id, correlationId, attempt: 2 }))
    for (const secret of [recipient, content, apiKey]) expect(world.engine.output).not.toContain(secret)
  })

  it('answers a wrong method with those it knows', async () => {
    const answer = await world.client.send('PATCH', '/v1/notifications')
    expect(answer.status).toBe(405)
    expect(answer.header('allow')).toContain('POST')
    expect(problemOf(answer).code).toBe('method_not_allowed')
  })
})
