import { describe, expect, it } from 'vitest'
import { InvalidRequestError } from '../../domain/errors.ts'
import type { ConnectionInput } from '../../port/connection-admin.ts'
import type { RouteRow } from '../../port/connection-store.ts'
import { Sealer } from '../sealing/sealer.ts'
import { connectorText, filledIn, folder, keys, target, type WorldOptions, world } from './outlets.suite.ts'

async function started(options: WorldOptions = {}) {
  const made = await world(options)
  await made.registry.start()
  const secret = async (id = 'main', field = 'token') => {
    const row = (await made.store.read()).connections.find((one) => one.id === id)
    const sealed = row?.secrets[field]
    return sealed === undefined ? null : new Sealer(keys[0]).open(sealed, { connection: id, field })
  }
  return { ...made, secret }
}

const to = (connection: string, more: Partial<RouteRow> = {}): RouteRow => ({
  channel: 'SMS',
  tag: null,
  tiers: [{ connections: [{ connection, weight: 1 }] }],
  tryTimeoutMs: null,
  totalTimeoutMs: null,
  ...more,
})

/** What is wrong, by field. */
async function wrong(work: Promise<unknown>): Promise<Readonly<Record<string, string>>> {
  try {
    await work
  } catch (error) {
    if (error instanceof InvalidRequestError) {
      return Object.fromEntries(error.errors.map(({ path, code }) => [path, code]))
    }
    throw error
  }
  return {}
}

describe('connections', () => {
  it('are kept with their secrets sealed, and shown without them', async () => {
    const { admin, store, secret } = await started()
    const view = await admin.create('main', filledIn({ note: 'hi' }))
    expect(view).toMatchObject({
      id: 'main',
      connector: 'example@1',
      channel: 'SMS',
      state: 'ready',
      source: 'api',
      config: { url: 'https://example.com', note: 'hi' },
      secretFields: ['token'],
      problem: null,
    })
    expect(await admin.connection('main')).toEqual(view)
    expect(await secret()).toBe('"tok_first"')
    expect(JSON.stringify([await store.read(), await admin.connections()])).not.toContain('tok_first')
  })

  it.each([
    [{ token: 'plain' }, { 'config.token': 'invalid_config' }],
    [{ token: null }, { 'config.token': 'invalid_config' }],
    [
      { token: '', url: 7 },
      { 'config.token': 'invalid_config', 'config.url': 'invalid_config' },
    ],
    [{ tokn: 'x' }, { 'config.tokn': 'invalid_config' }],
    [{ url: 'http://10.0.0.1/' }, { 'config.url': 'blocked_address' }],
  ])('with %j are refused, field by field', async (config, expected) => {
    const { admin } = await started()
    expect(await wrong(admin.create('main', filledIn(config)))).toEqual(expected)
    expect(await admin.connections()).toEqual([])
  })

  it('are refused without a connector that is there, or with an id that is no name', async () => {
    const { admin } = await started()
    await expect(admin.create('main', filledIn({}, 'exmple@1'))).rejects.toThrow('did you mean "example@1"?')
    for (const id of ['', '-a', 'A', 'a_b', 'x'.repeat(64)]) {
      expect(await wrong(admin.create(id, filledIn()))).toEqual({ id: 'invalid_id' })
    }
    await admin.create('x'.repeat(63), filledIn())
    await expect(admin.create('x'.repeat(63), filledIn())).rejects.toThrow('already')
  })

  it('that give no request, whatever the message, are refused', async () => {
    const own = await folder()
    await own.write(
      'mine.yaml',
      connectorText('mine', { auth: { kind: 'api_key', in: 'header', name: 'x-note', value: '{{ config.note }}' } }),
    )
    const { admin } = await started({ ownDir: own.path })
    expect(await wrong(admin.create('main', filledIn({ note: 'ü\n' }, 'mine@1')))).toEqual({ config: 'invalid_config' })
  })

  it('without secrets need no key; with them they say that there is none', async () => {
    const own = await folder()
    await own.write(
      'open.yaml',
      connectorText('open', {
        config: { url: { type: 'url', required: true, example: 'https://example.com' } },
        auth: { kind: 'none' },
      }),
    )
    const { admin } = await started({ sealer: null, ownDir: own.path })
    expect(await wrong(admin.create('main', filledIn()))).toEqual({ 'config.token': 'no_encryption_key' })
    await expect(admin.create('main', filledIn())).rejects.toThrow('ENCRYPTION_KEY')
    const input: ConnectionInput = { connector: 'open@1', config: { url: 'https://example.com' }, enabled: true }
    expect((await admin.create('main', input)).state).toBe('ready')
  })
})

describe('a change of a connection', () => {
  it('keeps a secret that is left out, replaces one that is given, and takes one out for null', async () => {
    const own = await folder()
    const fields = {
      url: { type: 'url', required: true, example: 'https://example.com' },
      a: { type: 'string', secret: true },
      b: { type: 'string', secret: true },
    }
    await own.write('two.yaml', connectorText('two', { config: fields, auth: { kind: 'none' } }))
    const { admin, secret, store } = await started({ ownDir: own.path })
    const url = 'https://example.com'
    await admin.create('main', { connector: 'two@1', config: { url, a: 'first a', b: 'first b' }, enabled: true })
    const [before] = (await store.read()).connections
    await admin.replace('main', { connector: 'two@1', config: { url, a: 'second a' }, enabled: true }, null)
    expect([await secret('main', 'a'), await secret('main', 'b')]).toEqual(['"second a"', '"first b"'])
    expect((await store.read()).connections[0]?.secrets['b']).toBe(before?.secrets['b'])
    const view = await admin.replace(
      'main',
      { connector: 'two@1', config: { url, a: '', b: null }, enabled: false },
      null,
    )
    expect([await secret('main', 'a'), await secret('main', 'b')]).toEqual(['"second a"', null])
    expect(view).toMatchObject({ state: 'disabled', secretFields: ['a'] })
  })

  it('does not carry a secret to another target', async () => {
    const own = await folder()
    await own.write('mine.yaml', connectorText('mine'))
    const { admin, secret } = await started({ ownDir: own.path })
    await admin.create('main', filledIn())
    const elsewhere = { url: 'https://evil.example' }
    const move = (config: ConnectionInput['config'], connector = 'example@1') =>
      admin.replace('main', { connector, config, enabled: true }, null)
    expect(await wrong(move(elsewhere))).toEqual({ 'config.token': 'invalid_config' })
    await expect(move(elsewhere)).rejects.toThrow('again: the connection now leads elsewhere')
    expect(await wrong(move({ url: 'https://example.com' }, 'mine@1'))).toEqual({ 'config.token': 'invalid_config' })
    expect(await secret()).toBe('"tok_first"')
    await move({ ...elsewhere, token: 'tok_second' })
    expect(await secret()).toBe('"tok_second"')
  })

  it('to a newer version of its connector keeps secrets', async () => {
    const own = await folder()
    await own.write('example-2.yaml', connectorText('example', { version: 2 }))
    const { admin, secret } = await started({ ownDir: own.path })
    await admin.create('main', filledIn())
    const view = await admin.replace(
      'main',
      { ...filledIn({}, 'example'), config: { url: 'https://example.com' } },
      null,
    )
    expect([view.connector, await secret()]).toEqual(['example@2', '"tok_first"'])
  })

  it('is refused when somebody changed it since', async () => {
    const { admin } = await started()
    const { revision } = await admin.create('main', filledIn())
    const second = await admin.replace('main', filledIn({ note: 'one' }), revision)
    await expect(admin.replace('main', filledIn({ note: 'two' }), revision)).rejects.toThrow(
      `expected revision ${revision}, found that it is ${second.revision}`,
    )
    await expect(admin.remove('main', revision)).rejects.toThrow('was changed')
    await admin.remove('main', second.revision)
    await expect(admin.connection('main')).rejects.toThrow('there is no connection "main"')
    await expect(admin.replace('main', filledIn(), null)).rejects.toThrow('there is no connection')
  })

  it('is decided anew when another process was faster, and loses nothing', async () => {
    const first = await started()
    const second = await started({ store: first.store })
    await Promise.all(
      Array.from({ length: 5 }, (_, n) =>
        [first, second].map(({ admin }, which) => admin.create(`c-${which}-${n}`, filledIn())),
      ).flat(),
    )
    expect(await first.admin.connections()).toHaveLength(10)
    const both = await Promise.allSettled([first, second].map(({ admin }) => admin.create('same', filledIn())))
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('routes', () => {
  it('name connections that are there and serve the channel, each once', async () => {
    const { admin } = await started()
    await admin.create('main', filledIn())
    const tiers = [
      {
        connections: [
          { connection: 'main', weight: 1 },
          { connection: 'mian', weight: 1 },
        ],
      },
      { connections: [{ connection: 'main', weight: 1 }] },
    ]
    expect(await wrong(admin.saveRoute(to('', { tiers }), null))).toEqual({
      'tiers[0].connections[1].connection': 'unknown_connection',
      'tiers[1].connections[0].connection': 'repeated',
    })
    expect(await wrong(admin.saveRoute(to('main', { channel: 'EMAIL' }), null))).toEqual({
      'tiers[0].connections[0].connection': 'wrong_channel',
    })
    expect(await admin.saveRoute(to('main'), null)).toMatchObject({ channel: 'SMS', missing: [], source: 'api' })
  })

  it('of any channel may lead to a webhook', async () => {
    const own = await folder()
    await own.write('hook.yaml', connectorText('hook', { channel: 'webhook' }))
    const { admin } = await started({ ownDir: own.path })
    await admin.create('hook', filledIn({}, 'hook@1'))
    for (const channel of ['SMS', 'EMAIL', 'CHAT'] as const) await admin.saveRoute(to('hook', { channel }), null)
    expect((await admin.routes()).map(({ channel }) => channel)).toEqual(['CHAT', 'EMAIL', 'SMS'])
  })

  it('hold on to the connections that they name', async () => {
    const { admin } = await started()
    await admin.create('main', filledIn())
    await admin.saveRoute(to('main'), null)
    await admin.saveRoute(to('main', { tag: 'urgent' }), null)
    await expect(admin.remove('main', null)).rejects.toThrow('take it out of the route SMS, SMS?tag=urgent first')
    await admin.removeRoute({ channel: 'SMS', tag: null }, null)
    await admin.removeRoute({ channel: 'SMS', tag: 'urgent' }, null)
    await admin.remove('main', null)
    expect(await admin.connections()).toEqual([])
    await expect(admin.removeRoute({ channel: 'SMS', tag: null }, null)).rejects.toThrow('there is no route SMS')
  })

  it('cannot come to name what is removed at the same moment', async () => {
    const first = await started()
    const second = await started({ store: first.store })
    for (let round = 0; round < 10; round++) {
      await first.admin.create('main', filledIn())
      const ended = await Promise.allSettled([
        first.admin.remove('main', null),
        second.admin.saveRoute(to('main'), null),
      ])
      expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      const routes = await first.admin.routes()
      expect(routes.flatMap(({ missing }) => missing)).toEqual([])
      if (routes.length > 0) {
        await first.admin.removeRoute({ channel: 'SMS', tag: null }, null)
        await first.admin.remove('main', null)
      }
    }
  })

  it('are refused under a revision that has passed', async () => {
    const { admin } = await started()
    await admin.create('main', filledIn())
    const { revision } = await admin.saveRoute(to('main'), null)
    await admin.saveRoute(to('main', { tryTimeoutMs: 500 }), revision)
    await expect(admin.saveRoute(to('main'), revision)).rejects.toThrow('was changed since')
    await expect(admin.saveRoute(to('main', { tag: 'new' }), 3)).rejects.toThrow('found that there is none')
  })
})

describe('pauses and tests', () => {
  it('leave a connection out until somebody resumes it', async () => {
    const { admin, registry } = await started()
    await admin.create('main', filledIn())
    const pause = { code: 'operator', reason: 'maintenance' }
    expect(await admin.pause('main', pause)).toMatchObject({ state: 'paused', pause })
    expect(registry.outlet('main')).toBeNull()
    await admin.replace('main', filledIn({ note: 'changed' }), null)
    expect((await admin.connection('main')).state).toBe('paused')
    expect(await admin.resume('main')).toMatchObject({ state: 'ready', pause: null })
    expect(registry.outlet('main')?.id).toBe('main')
    await expect(admin.pause('none', pause)).rejects.toThrow('there is no connection')
    await expect(admin.resume('none')).rejects.toThrow('there is no connection')
  })

  it('ask the provider without sending, a paused one too', async () => {
    const { url, seen, answer } = await target(200)
    const { admin } = await started()
    await admin.create('main', filledIn({ url }))
    expect(await admin.probe('main')).toMatchObject({ outcome: 'ok', result: { class: 'accepted', statusCode: 200 } })
    await admin.pause('main', { code: 'operator', reason: 'x' })
    answer.status = 401
    expect(await admin.probe('main')).toMatchObject({
      outcome: 'failed',
      result: { class: 'config', rule: 'credentials' },
    })
    const request = { url: '/me', authorization: 'Bearer tok_first', body: '' }
    expect(seen).toEqual([request, request])
  })

  it('say of a connector that has no test that it has none', async () => {
    const own = await folder()
    await own.write('mine.yaml', connectorText('mine', { probe: undefined }))
    const { admin } = await started({ ownDir: own.path })
    await admin.create('main', filledIn({}, 'mine@1'))
    expect(await admin.probe('main')).toMatchObject({ outcome: 'unsupported', result: null })
  })
})
