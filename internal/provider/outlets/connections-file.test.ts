import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { formatProblem } from '../connector/problems.ts'
import { parseConnections } from './connections-file.ts'
import { aMessage, connectorText, filledIn, folder, shippedDir, type WorldOptions, world } from './outlets.suite.ts'

const whole = `
connections:
  main:
    connector: example@1
    config:
      url: https://example.com
      token: tok_\${TOKEN_MAIN}
      note: of \${REGION}, $\${kept}
  backup:
    connector: example@1
    enabled: false
    config: {url: https://example.org, token: tok_b}
routes:
  - channel: sms
    tiers: [main, {backup: 3}]
  - channel: SMS
    tag: urgent
    tiers:
      - {main: 3, backup: 1}
    tryTimeoutMs: 5000
    totalTimeoutMs: 600000
`
const environment = { TOKEN_MAIN: 'from-env', REGION: 'eu' }

async function opened(text: string, options: WorldOptions = {}) {
  const files = await folder()
  await files.write('connections.yaml', text)
  const made = await world({ connectionsFile: files.of('connections.yaml'), environment, ...options })
  return { ...made, files }
}

describe('a file of connections', () => {
  it('gives connections and routes, secrets from the environment included', async () => {
    const { registry, admin } = await opened(whole)
    await registry.start()
    expect(registry.outlet('main')?.id).toBe('main')
    expect(registry.outlet('backup')).toBeNull()
    expect(registry.routeFor(aMessage())).toMatchObject({
      source: 'file',
      tiers: [
        { connections: [{ connection: 'main', weight: 1 }] },
        { connections: [{ connection: 'backup', weight: 3 }] },
      ],
    })
    expect(registry.routeFor(aMessage({ tags: ['urgent'] }))).toMatchObject({
      tryTimeoutMs: 5_000,
      totalTimeoutMs: 600_000,
      tiers: [{ connections: [{ connection: 'main', weight: 3 }, { weight: 1 }] }],
    })
    const views = await admin.connections()
    expect(views).toMatchObject([
      { id: 'backup', state: 'disabled', revision: null },
      {
        id: 'main',
        state: 'ready',
        source: 'file',
        secretFields: ['token'],
        config: { url: 'https://example.com', note: 'of ${REGION}, $${kept}' },
      },
    ])
    expect(JSON.stringify(views)).not.toContain('from-env')
  })

  it('works without a key for the database', async () => {
    const { registry } = await opened(whole, { sealer: null })
    await registry.start()
    expect(registry.outlet('main')?.id).toBe('main')
  })

  it('wins over what the API holds under the same id or route, and the API cannot change it', async () => {
    const { registry, admin, store, files, tick } = await opened('')
    await registry.start()
    await admin.create('main', filledIn({ note: 'of the API' }))
    await admin.create('third', filledIn())
    const tiers = [{ connections: [{ connection: 'third', weight: 1 }] }]
    const route = { channel: 'SMS', tag: null, tiers, tryTimeoutMs: null, totalTimeoutMs: null } as const
    await admin.saveRoute(route, null)
    await files.write('connections.yaml', whole)
    await tick(() => registry.routeFor(aMessage())?.source === 'file')
    expect((await admin.connection('main')).config['note']).toBe('of ${REGION}, $${kept}')
    const refused = 'is kept in CONNECTIONS_FILE: change it there'
    await expect(admin.replace('main', filledIn(), null)).rejects.toThrow(refused)
    await expect(admin.remove('main', null)).rejects.toThrow(refused)
    await expect(admin.create('backup', filledIn())).rejects.toThrow('already')
    await expect(admin.saveRoute(route, null)).rejects.toThrow(refused)
    await expect(admin.removeRoute({ channel: 'SMS', tag: 'urgent' }, null)).rejects.toThrow(refused)
    expect((await admin.pause('main', { code: 'operator', reason: 'x' })).state).toBe('paused')
    expect((await admin.resume('main')).state).toBe('ready')
    await files.write('connections.yaml', '')
    await tick(() => registry.routeFor(aMessage())?.source === 'api')
    expect((await admin.connection('main')).config['note']).toBe('of the API')
    expect((await store.read()).connections).toHaveLength(2)
  })

  it('that names a connection which it no longer has leaves a route of the API with a name that is missing', async () => {
    const { registry, admin, files, tick } = await opened(whole)
    await registry.start()
    const tiers = [{ connections: [{ connection: 'main', weight: 1 }] }]
    await admin.saveRoute({ channel: 'SMS', tag: 'x', tiers, tryTimeoutMs: null, totalTimeoutMs: null }, null)
    await files.write('connections.yaml', '')
    await tick(() => registry.outlet('main') === null)
    expect(await admin.routes()).toMatchObject([{ tag: 'x', missing: ['main'] }])
  })

  it('that is broken refuses the start, and later leaves everything as it was', async () => {
    const broken = whole.replace('tiers: [main, {backup: 3}]', 'tiers: [bakup]')
    const first = await opened(broken)
    await expect(first.registry.start()).rejects.toThrow(
      /CONNECTIONS_FILE has problems:\n {2}- .*connections\.yaml:15:\d+ routes\[0\]\.tiers\[0\]: found "bakup", which is no connection.*did you mean "backup"/,
    )
    const { registry, logger, files, tick } = await opened(whole)
    await registry.start()
    await files.write('connections.yaml', broken)
    await tick(() => logger.of('warn').length > 0)
    await tick(() => true)
    expect(registry.outlet('main')?.id).toBe('main')
    expect(logger.of('warn')).toHaveLength(1)
    await files.write('connections.yaml', whole)
    await tick(() => logger.of('info').some(({ message }) => message.includes('right again')))
    await files.remove('connections.yaml')
    await tick(() => logger.of('warn').length === 2)
    expect(registry.outlet('main')?.id).toBe('main')
  })

  it('is held against a connector of the operator again when that changes', async () => {
    const own = await folder()
    await own.write('mine.yaml', connectorText('mine'))
    const text = 'connections: {m: {connector: mine@1, config: {url: https://example.com, token: tok_a}}}'
    const { registry, tick } = await opened(text, { ownDir: own.path })
    await registry.start()
    await own.write('mine.yaml', connectorText('mine', { rates: [] }))
    await tick(() => registry.outlet('m')?.buckets.length === 0)
  })
})

describe('docs/CONNECTIONS.md', () => {
  it('shows a file that works', async () => {
    const page = await readFile(new URL('../../../docs/CONNECTIONS.md', import.meta.url), 'utf8')
    const [, text = ''] = /^```yaml\n([\s\S]*?)^```$/m.exec(page) ?? []
    const sid = `AC${'0'.repeat(32)}`
    const GATEWAY_SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
    const variables = { TWILIO_SID: sid, TWILIO_TOKEN: 't', EU_SID: sid, EU_TOKEN: 't', GATEWAY_SECRET }
    const { registry } = await world({ shippedDir })
    await registry.start()
    const parsed = parseConnections(text, 'f.yaml', registry.catalog, variables)
    expect(parsed).toMatchObject({
      ok: true,
      content: {
        connections: [{ id: 'twilio-main' }, { id: 'twilio-eu' }, { id: 'own-gateway' }],
        routes: [{ tag: 'urgent' }],
      },
    })
  })
})

describe('problems of a file of connections', () => {
  async function problems(text: string) {
    const { registry } = await world()
    await registry.start()
    const parsed = parseConnections(text, 'f.yaml', registry.catalog, environment)
    return parsed.ok ? [] : parsed.problems.map(formatProblem)
  }
  const connection = (more: string, name = 'a') => `connections:\n  ${name}:\n    ${more}\n`
  const config = (text: string) => connection(`{connector: example@1, config: {url: https://x.example, ${text}}}`)

  it.each([
    ['connections: [', 'f.yaml:1:15 document: found'],
    ['conections: {}', 'f.yaml:1:1 conections: found the unknown key "conections"'],
    [connection('connector: exmaple@1'), 'f.yaml:3:5 connections.a.connector: found "exmaple@1"'],
    [connection('connector: example@2'), 'did you mean "example@1"?'],
    [connection('{connector: example@1, confg: {}}'), 'did you mean "config"?'],
    [connection('connector: example@1', 'A_b'), 'an id of lower case letters'],
    [config('token: "tok_${NONE}"'), 'f.yaml:3:61 connections.a.config.token: found ${NONE}, which is not set'],
    [config('token: "tok_${A-B}"'), 'found ${A-B}, expected the name of an environment variable'],
    [config('token: plain'), 'connections.a.config.token: found a secret of 5 characters'],
    [config('tokn: tok_a'), 'did you mean "token"?'],
    [config('note: ["${REGION}"], token: tok_a'), 'connections.a.config.note: found a list of 1'],
    ['routes: [{channel: FAX, tiers: [a]}]', 'found "FAX", expected one of SMS'],
    ['routes: [{channel: SMS, tiers: []}]', 'routes[0].tiers: found a list of 0'],
    ['routes: [{channel: SMS, tiers: [{}]}]', '1 to 20 connections'],
    ['routes: [{channel: SMS, tiers: [{a: 0}]}]', 'at least 1'],
    ['routes: [{channel: SMS, tiers: [a]}]', 'routes[0].tiers[0]: found "a", which is no connection'],
    [`${config('token: tok_a')}routes: [{channel: EMAIL, tiers: [a]}]`, 'found "a", which serves SMS'],
    [
      `${config('token: tok_a')}routes: [{channel: SMS, tiers: [a, {a: 2}]}]`,
      'f.yaml:4:37 routes[0].tiers[1].a: found "a" again',
    ],
    [
      `${config('token: tok_a')}routes: [{channel: SMS, tiers: [a]}, {channel: sms, tiers: [a]}]`,
      'routes[1]: found a second route of SMS',
    ],
  ])('in %j are told with their line', async (text, expected) => {
    expect((await problems(text)).join('\n')).toContain(expected)
  })

  it('are told all at once, in the order of the file, without secrets', async () => {
    const found = await problems(`${config('token: sesame-open, nte: x')}routes: [{channel: SMS, tiers: [b]}]`)
    expect(found).toHaveLength(3)
    expect(found.map((line) => line.split(':')[1])).toEqual(['3', '3', '4'])
    expect(found.join('\n')).not.toContain('sesame')
  })

  it('of a file that is far too long are told without reading it all', async () => {
    const { registry } = await opened(' '.repeat(300_000))
    await expect(registry.start()).rejects.toThrow('expected at most 262144 bytes')
  })
})
