import { describe, expect, it } from 'vitest'
import type { AcceptedRequest } from '../dispatch/accept.ts'
import { OverloadedError } from '../domain/errors.ts'
import { settle } from '../testkit/manual-clock.ts'
import { RecordingTelemetry } from '../testkit/telemetry.ts'
import { plain, problemOf, setup, type World } from './app.suite.ts'

function world(settings: World['settings'], deps: World['deps'] = {}) {
  const telemetry = new RecordingTelemetry()
  return { ...setup({ settings: settings ?? {}, deps: { telemetry, ...deps } }), telemetry }
}

async function expectTurnedAway(response: Response) {
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  expect((await problemOf(response)).code).toBe('overloaded')
}

describe('bounds of the HTTP interface', () => {
  it('turn requests away past those under way, answer probes all the same, and open again', async () => {
    const { promise: gate, resolve: openGate } = Promise.withResolvers<void>()
    const empty: AcceptedRequest = { batchId: null, notifications: [] }
    const accept = () => gate.then(() => empty)
    const { post, send, telemetry } = world({ requestsMax: 2 }, { accept })
    const held = [post('/v1/notifications', plain), post('/v1/notifications', plain)]
    await settle()
    await expectTurnedAway(await post('/v1/notifications', plain))
    for (const path of ['/livez', '/readyz', '/health', '/metrics']) expect((await send(path)).status).toBe(200)
    expect(telemetry.calls.refused).toEqual([['http_requests', 1]])
    expect(telemetry.calls.bound).toContainEqual(['http_requests', { inUse: 2, limit: 2 }])
    openGate()
    await Promise.all(held)
    expect(telemetry.calls.bound.at(-1)).toEqual(['http_requests', { inUse: 0, limit: 2 }])
    expect((await send('/v1/notifications')).status).toBe(200)
  })

  it('turn large bodies away past their budget, and give it back', async () => {
    const { post, telemetry } = world({ bodyBudgetBytes: 50_000 })
    const large = { notifications: Array.from({ length: 200 }, () => ({ ...plain, content: 'x'.repeat(160) })) }
    const size = Buffer.byteLength(JSON.stringify(large))
    expect(size).toBeLessThan(50_000)
    const first = await post('/v1/notifications/batch', large)
    expect(first.status).toBe(202)
    await expectTurnedAway(await post('/v1/notifications/batch', JSON.stringify(large) + ' '.repeat(30_000)))
    expect(telemetry.calls.refused[0]?.[0]).toBe('http_body_bytes')
    const bodies = telemetry.calls.bound.filter(([name]) => name === 'http_body_bytes')
    expect(Math.max(...bodies.map(([, { inUse }]) => inUse))).toBeGreaterThanOrEqual(size)
    expect(bodies.at(-1)).toEqual(['http_body_bytes', { inUse: 0, limit: 50_000 }])
  })

  it('of the use cases behind it come out as 503 with Retry-After', async () => {
    const accept = () => Promise.reject(new OverloadedError('20000 items are waiting already'))
    await expectTurnedAway(await world({}, { accept }).post('/v1/notifications', plain))
  })
})
