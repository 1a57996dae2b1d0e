import { describe, expect, it } from 'vitest'
import { eventually } from '../../internal/testkit/eventually.ts'
import { isChosen } from './harness/profiles.ts'
import { plain, plainItems, untilStatus } from './harness/requests.ts'
import { servicesProfile } from './harness/services-ground.ts'
import { useWorld } from './harness/world.ts'

describe.runIf(isChosen('services'))('three roles in three processes', () => {
  const roles = ['api', 'worker', 'scheduler']
  const engines = roles.map((role) => ({ APP_ROLE: role }))
  const world = useWorld(servicesProfile, { engines, settings: { RETRY_SCAN_INTERVAL: '200ms' } })

  /** One number of each process, in the order of the roles. */
  const figures = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    Promise.all(world.engines.map(async ({ client }) => (await client.figures()).sum(name, labels)))

  it('share the work: one accepts, one sends, one brings back what is due', async () => {
    const { batchId = '' } = await world.client.createBatch(plainItems(50))
    const retried = await world.client.create(plain({ content: '[sink 503 200]' }))
    const scheduledAt = new Date(Date.now() + 1_000).toISOString()
    const scheduled = await world.client.create(plain({ scheduledAt }))
    await eventually(async () => expect((await world.client.getBatch(batchId)).status).toBe('COMPLETED'))
    expect(await untilStatus(world.client, retried.id, 'SENT')).toMatchObject({ attemptCount: 2 })
    await untilStatus(world.client, scheduled.id, 'SENT')
    expect(await figures('notifications_accepted_total')).toEqual([52, 0, 0])
    await eventually(async () => expect(await figures('notifications_sent_total')).toEqual([0, 52, 0]))
    // A worker scans for itself until it has seen its broker, so the first releases may be its own.
    await eventually(
      async () => {
        const { id } = await world.client.create(plain({ content: '[sink 503 200]' }))
        await untilStatus(world.client, id, 'SENT')
        const [api, , scheduler] = await figures('scan_released_total', { reason: 'retry' })
        expect(api).toBe(0)
        expect(scheduler).toBeGreaterThan(0)
      },
      { withinMs: 15_000 },
    )
  })

  it('each answers its probes, only one the API, and the API knows the others', async () => {
    for (const [index, role] of roles.entries()) {
      const client = world.engines[index]?.client
      expect((await client?.send('GET', '/readyz'))?.status).toBe(200)
      expect((await client?.send('GET', '/health'))?.json).toMatchObject({ role })
      const created = await client?.post('/v1/notifications', plain())
      expect([role, created?.status]).toEqual([role, role === 'api' ? 202 : 404])
    }
    const heartbeat = await world.client.send('GET', '/v1/queue/heartbeat')
    expect(heartbeat.json).toMatchObject({ status: { status: 'pass' } })
    for (const role of ['worker', 'scheduler']) expect(heartbeat.text).toContain(`"role":"${role}"`)
  })
})
