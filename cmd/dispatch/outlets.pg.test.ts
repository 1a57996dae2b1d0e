import { randomBytes } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import { setup } from '../../internal/httpapi/app.suite.ts'
import { connectionSchema, connectorListSchema, probeSchema } from '../../internal/httpapi/connection-answers.ts'
import { systemClock } from '../../internal/lifecycle/system-clock.ts'
import { AddressRules } from '../../internal/provider/egress/address-rules.ts'
import { openEgress } from '../../internal/provider/egress/egress.ts'
import { aMessage, target } from '../../internal/provider/outlets/outlets.suite.ts'
import { openTestDatabase, type TestDatabase } from '../../internal/testkit/database.ts'
import { eventually } from '../../internal/testkit/eventually.ts'
import { silentLogger } from '../../internal/testkit/telemetry.ts'
import { openFailpoints } from './failpoints.ts'
import { openOutlets } from './outlets.ts'

const key = randomBytes(32)

/** One process over the database, with its API. */
async function process(database: TestDatabase, url: string) {
  const egress = openEgress({ trustedUrls: [url] }, { clock: systemClock })
  const addresses = new AddressRules({ allowNets: [], denyNets: [] })
  const names = { resolve: () => Promise.reject(new Error('no names')), forget: () => undefined }
  const { registry, admin } = openOutlets(
    { encryptionKey: key, encryptionKeyPrevious: null, connectorsDir: null, connectionsFile: null },
    {
      pool: database.pool,
      egress: { ...egress, addresses, names },
      environment: {},
      clock: systemClock,
      logger: silentLogger,
      version: '1.2.3',
      breaking: openFailpoints({ failpoints: null }, silentLogger, systemClock),
    },
  )
  await registry.start()
  onTestFinished(async () => {
    await registry.stop()
    await egress.close()
  })
  const { send } = setup({ deps: { connections: admin } })
  const call = (method: string, path: string, body?: unknown) =>
    send(path, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
  return { registry, call }
}

describe('two processes over one database', () => {
  it('share connections and routes, without a restart, and send by them', async () => {
    const database = await openTestDatabase()
    onTestFinished(() => database.drop())
    const { url, seen } = await target(202, '{"id":"event-1"}')
    const first = await process(database, url)
    const second = await process(database, url)

    const { data, problems } = connectorListSchema.parse(await (await first.call('GET', '/v1/connectors')).json())
    expect(problems).toEqual([])
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining(['webhook', 'smtp', 'twilio-sms']))

    const secret = `whsec_${randomBytes(32).toString('base64')}`
    const connection = { id: 'hook', connector: 'webhook', config: { url: `${url}/in`, secrets: [secret] } }
    const made = await first.call('POST', '/v1/connections', connection)
    expect([made.status, connectionSchema.parse(await made.json()).state]).toEqual([201, 'ready'])
    const tiers = [{ connections: [{ connection: 'hook' }] }]
    expect((await first.call('PUT', '/v1/routes/SMS', { tiers })).status).toBe(200)

    await eventually(() => second.registry.outlet('hook') !== null)
    expect(second.registry.routeFor(aMessage())?.tiers[0]?.connections[0]?.connection).toBe('hook')
    const result = await second.registry.outlet('hook')?.send(aMessage(), AbortSignal.timeout(10_000))
    expect(result).toMatchObject({ class: 'accepted', providerMessageId: 'event-1' })
    expect(seen.map((one) => one.url)).toEqual(['/in'])

    const rows = await database.admin<{ row: string }[]>`SELECT row_to_json(c)::text AS row FROM connections c`
    expect(rows.map(({ row }) => row).join()).toContain('s1.')
    expect(rows.map(({ row }) => row).join()).not.toContain(secret.slice(6, 40))

    const outlet = second.registry.outlet('hook')
    if (outlet === null) throw new Error('the second process has no outlet')
    await second.registry.pause(outlet, { code: 'config', reason: 'the endpoint is gone' })
    await eventually(() => first.registry.outlet('hook') === null)
    const probed = probeSchema.parse(await (await first.call('POST', '/v1/connections/hook/probe')).json())
    expect(probed.outcome).toBe('unsupported')
    expect((await first.call('POST', '/v1/connections/hook/resume')).status).toBe(200)
    await eventually(() => second.registry.outlet('hook') !== null)
    expect((await second.call('DELETE', '/v1/connections/hook')).status).toBe(409)
    expect((await second.call('DELETE', '/v1/routes/SMS')).status).toBe(200)
    expect((await second.call('DELETE', '/v1/connections/hook')).status).toBe(200)
    await eventually(() => first.registry.outlet('hook') === null && first.registry.routeFor(aMessage()) === null)
  })
})
