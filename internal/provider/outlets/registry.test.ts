import { readdir } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { DependencyUnavailableError } from '../../domain/errors.ts'
import type { ConnectionRow, RouteRow } from '../../port/connection-store.ts'
import { type Outlet, unansweredTry } from '../../port/outlet.ts'
import { settle } from '../../testkit/manual-clock.ts'
import { MemoryConnectionStore } from '../../testkit/memory-connection-store.ts'
import { Sealer } from '../sealing/sealer.ts'
import type { OpenOutlet, OutletKind } from './kind.ts'
import { aMessage, connectorText, filledIn, folder, keys, shippedDir, target, world } from './outlets.suite.ts'
import { type OutletRegistry, pollMs } from './registry.ts'

const route: RouteRow = {
  channel: 'SMS',
  tag: null,
  tiers: [{ connections: [{ connection: 'main', weight: 1 }] }],
  tryTimeoutMs: null,
  totalTimeoutMs: null,
}
const signal = new AbortController().signal

/** A kind whose outlets send when the test says so. */
function slowKind() {
  const sends: (() => void)[] = []
  const closed: string[] = []
  const kind: OutletKind = {
    name: 'slow@1',
    id: 'slow',
    version: 1,
    channel: 'SMS',
    display: { name: 'Slow' },
    recipient: { format: 'text' },
    fields: { note: { type: 'string', required: false, secret: false } },
    canProbe: false,
    repeatable: false,
    check: (config) => ({ ok: true, config: { note: JSON.stringify(config) } }),
    open(id, config): OpenOutlet {
      const note = typeof config['note'] === 'string' ? config['note'] : ''
      return {
        id,
        connector: 'slow@1',
        repeatable: false,
        buckets: [],
        segments: () => 1,
        brokenLimit: () => null,
        async send() {
          const { promise, resolve } = Promise.withResolvers<void>()
          sends.push(resolve)
          await promise
          return { ...accepted, providerMessageId: note }
        },
        probe: async () => null,
        close: () => void closed.push(note),
      }
    },
  }
  return { kind, sends, closed }
}

const accepted = {
  class: 'accepted',
  ...unansweredTry,
  code: null,
  message: null,
  statusCode: 200,
} as const

const unreadable = {
  ok: false,
  problems: [{ field: 'token', found: 'nothing', expected: 'a text', didYouMean: null }],
} as const

function outletOf({ registry }: { readonly registry: Pick<OutletRegistry, 'outlet'> }): Outlet {
  const outlet = registry.outlet('main')
  if (outlet === null) throw new Error('there is no outlet')
  return outlet
}

async function save(store: MemoryConnectionStore, change: Partial<ConnectionRow> = {}): Promise<void> {
  const row = { id: 'main', connector: 'slow@1', channel: 'SMS', config: {}, secrets: {}, enabled: true } as const
  await store.saveConnection(await store.revision(), { ...row, ...change })
}

describe('the registry', () => {
  it('has a route and an outlet for what the database holds at the start', async () => {
    const { registry, admin } = await world()
    await registry.start()
    expect(registry.routeFor(aMessage())).toBeNull()
    await admin.create('main', filledIn())
    await admin.saveRoute(route, null)
    expect(registry.routeFor(aMessage())).toEqual({ ...route, source: 'api' })
    expect(registry.outlet('main')).toMatchObject({ id: 'main', connector: 'example@1', repeatable: false })
    expect([registry.outlet('none'), registry.routeFor(aMessage({ channel: 'EMAIL' }))]).toEqual([null, null])
  })

  it('takes the route of the first tag that has one', async () => {
    const { registry, admin } = await world()
    await registry.start()
    await admin.create('main', filledIn())
    await admin.saveRoute(route, null)
    for (const tag of ['urgent', 'eu']) await admin.saveRoute({ ...route, tag }, null)
    expect(registry.routeFor(aMessage({ tags: ['x', 'eu', 'urgent'] }))?.tag).toBe('eu')
    expect(registry.routeFor(aMessage({ tags: ['x'] }))?.tag).toBeNull()
  })

  it('notices within one look what another process wrote, and reads nothing while nothing changes', async () => {
    const { kind } = slowKind()
    const { registry, store, clock, tick } = await world({ builtIn: [kind] })
    await registry.start()
    await settle()
    const { reads } = store
    for (let turn = 0; turn < 5; turn++) await clock.advance(pollMs)
    expect(store.reads).toBe(reads)
    await save(store)
    await tick(() => registry.outlet('main') !== null)
    await store.pause(await store.revision(), 'main', { code: 'config', reason: 'wrong token' })
    await tick(() => registry.outlet('main') === null)
    await store.resume('main')
    await tick(() => registry.outlet('main') !== null)
    await save(store, { enabled: false })
    await tick(() => registry.outlet('main') === null)
  })

  it('keeps the outlet of a connection that did not change', async () => {
    const { kind } = slowKind()
    const { registry, store } = await world({ builtIn: [kind] })
    await registry.start()
    await save(store)
    await registry.refresh()
    const outlet = registry.outlet('main')
    await save(store, { id: 'other' })
    await registry.refresh()
    expect([registry.outlet('main'), registry.outlet('other')?.id]).toEqual([outlet, 'other'])
  })

  it('closes a replaced outlet only after its sends have ended', async () => {
    const { kind, sends, closed } = slowKind()
    const { registry, store, clock } = await world({ builtIn: [kind] })
    await registry.start()
    await save(store, { config: { n: 1 } })
    await registry.refresh()
    const old = registry.outlet('main')
    const sending = old?.send(aMessage(), signal)
    await save(store, { config: { n: 2 } })
    await registry.refresh()
    const late = old?.send(aMessage(), signal) // handed out before the change
    await clock.advance(10 * 60_000)
    expect(closed).toEqual([])
    for (const end of sends) end()
    expect([await sending, await late]).toMatchObject([
      { providerMessageId: '{"n":1}' },
      { providerMessageId: '{"n":1}' },
    ])
    await clock.advance(pollMs)
    expect(closed).toEqual(['{"n":1}'])
    expect(await old?.send(aMessage(), signal)).toMatchObject({ class: 'transient', code: 'connection_replaced' })
  })

  it('closes everything at the stop, once', async () => {
    const { kind, closed } = slowKind()
    const { registry, store } = await world({ builtIn: [kind] })
    await registry.start()
    await save(store)
    await registry.refresh()
    await save(store, { config: { n: 2 } })
    await registry.refresh()
    await registry.stop()
    await registry.stop()
    expect(closed.toSorted()).toEqual(['{"n":2}', '{}'])
    expect(registry.outlet('main')).toBeNull()
  })

  it('pauses for every process, with one statement for all who ask at once', async () => {
    const { kind } = slowKind()
    const first = await world({ builtIn: [kind] })
    const second = await world({ builtIn: [kind], store: first.store })
    await first.registry.start()
    await second.registry.start()
    await save(first.store)
    await Promise.all([first.registry.refresh(), second.registry.refresh()])
    const before = await first.store.revision()
    const pause = { code: 'config', reason: 'the provider refused the token' }
    const outlet = outletOf(first)
    const paused = await Promise.all(Array.from({ length: 5 }, () => first.registry.pause(outlet, pause)))
    expect([...new Set(paused), await first.registry.pause(outlet, pause)]).toEqual([true, false])
    expect([await first.store.revision(), first.registry.outlet('main')]).toEqual([before + 1, null])
    await second.tick(() => second.registry.outlet('main') === null)
    expect(first.logger.of('warn')).toMatchObject([{ fields: { connection: 'main', ...pause } }])
  })

  it.each<[string, (store: MemoryConnectionStore) => Promise<unknown>]>([
    ['changed', (store) => save(store, { config: { token: 'new' } })],
    ['paused', async (store) => store.pause(await store.revision(), 'main', { code: 'operator', reason: 'later' })],
    ['removed', async (store) => store.removeConnection(await store.revision(), 'main')],
    ['disabled', (store) => save(store, { enabled: false })],
  ])('does not pause a connection for what was found before another process had it %s', async (_, change) => {
    const { kind } = slowKind()
    const { registry, store, logger } = await world({ builtIn: [kind] })
    await registry.start()
    await save(store)
    await registry.refresh()
    const outlet = outletOf({ registry })
    await change(store)
    const { pauses: before } = await store.read()
    expect(await registry.pause(outlet, { code: 'config', reason: 'refused under the old token' })).toBe(false)
    expect((await store.read()).pauses).toEqual(before)
    expect(logger.of('warn')).toEqual([])
  })

  it('does not pause what an operator has resumed since', async () => {
    const { kind } = slowKind()
    const { registry, store } = await world({ builtIn: [kind] })
    await registry.start()
    await save(store)
    await registry.refresh()
    const before = outletOf({ registry })
    const pause = { code: 'config', reason: 'refused' }
    await registry.pause(before, pause)
    await store.resume('main')
    expect(await registry.pause(before, pause)).toBe(false)
    await registry.refresh()
    expect(await registry.pause(before, pause)).toBe(false)
    expect(await registry.pause(outletOf({ registry }), pause)).toBe(true)
  })

  it('pauses in spite of a write of something else at the same moment', async () => {
    const { kind } = slowKind()
    const { registry, store } = await world({ builtIn: [kind] })
    await registry.start()
    await save(store)
    await registry.refresh()
    const outlet = outletOf({ registry })
    await save(store, { id: 'other' })
    expect(await registry.pause(outlet, { code: 'config', reason: 'refused' })).toBe(true)
    expect((await store.read()).pauses.has('main')).toBe(true)
  })

  it('does not pause what cannot be opened here as it now stands, and goes on as it was', async () => {
    const { kind } = slowKind()
    let isOdd = false
    const odd: OutletKind = { ...kind, check: (config) => (isOdd ? unreadable : kind.check(config)) }
    const { registry, store } = await world({ builtIn: [odd] })
    await registry.start()
    await save(store)
    await registry.refresh()
    const outlet = outletOf({ registry })
    isOdd = true
    await save(store, { config: { token: 'new' } })
    expect(await registry.pause(outlet, { code: 'config', reason: 'refused under the old token' })).toBe(false)
    expect([registry.outlet('main'), (await store.read()).pauses.size]).toEqual([outlet, 0])
  })

  it('waits for PostgreSQL at the start, and goes on without it later', async () => {
    const { kind } = slowKind()
    const { registry, store, clock, tick } = await world({ builtIn: [kind] })
    await save(store)
    store.failure = new DependencyUnavailableError('postgres', 'gone')
    let started = false
    const starting = registry.start().then(() => (started = true))
    await clock.advance(3 * pollMs)
    expect(started).toBe(false)
    store.failure = null
    await tick(() => started)
    await starting
    expect(registry.outlet('main')?.id).toBe('main')
    store.failure = new DependencyUnavailableError('postgres', 'gone')
    await clock.advance(3 * pollMs)
    expect(registry.outlet('main')?.id).toBe('main')
    await expect(registry.refresh()).rejects.toThrow('gone')
  })
})

describe('sealed secrets', () => {
  it('are sealed anew at the start under a new key, so that the old one can go', async () => {
    const before = await world()
    await before.registry.start()
    await before.admin.create('main', filledIn())
    const { store } = before
    const after = await world({ store, sealer: new Sealer(keys[1], keys[0]) })
    await after.registry.start()
    expect(after.logger.of('info')).toMatchObject([{ fields: { connections: 1 } }])
    const last = await world({ store, sealer: new Sealer(keys[1]) })
    await last.registry.start()
    expect(last.registry.outlet('main')?.id).toBe('main')
    // A process that has only the old key goes on with what it opened before, and says why.
    await before.tick(() => before.logger.of('warn').length > 0)
    expect(before.registry.outlet('main')?.id).toBe('main')
    expect(await before.admin.connection('main')).toMatchObject({
      state: 'ready',
      problem: expect.stringContaining('sealed under another key'),
    })
  })

  it('lose nothing when the key is replaced while connections are used and written', async () => {
    const { url, seen } = await target(200)
    const old = await world()
    const { store } = old
    await old.registry.start()
    await old.admin.create('main', filledIn({ url, token: 'tok_0' }))
    const both = await world({ store, sealer: new Sealer(keys[1], keys[0]) })
    await both.registry.start()
    const sendOver = async ({ registry }: typeof old, token: string) => {
      await registry.refresh()
      await registry.outlet('main')?.send(aMessage(), signal)
      expect(seen.at(-1)?.authorization).toBe(`Bearer ${token}`)
    }
    // The first processes are still there, and operators reach these as well as the new ones.
    for (let round = 1; round <= 6; round++) {
      const [writer, other] = round % 2 === 0 ? [old, both] : [both, old]
      await writer.admin.replace('main', filledIn({ url, token: `tok_${round}` }), null)
      await writer.admin.create(`more-${round}`, filledIn({ token: `tok_more-${round}` }))
      await sendOver(writer, `tok_${round}`)
      await other.registry.refresh()
    }
    await old.registry.stop()
    const sealer = new Sealer(keys[1])
    const isAnew = async () =>
      (await store.read()).connections.every(({ secrets }) => sealer.isCurrent(secrets['token'] ?? ''))
    let done = false
    await both.tick(() => {
      void isAnew().then((is) => (done = is))
      return done
    })
    const last = await world({ store, sealer })
    await last.registry.start()
    await sendOver(last, 'tok_6')
    const views = await last.admin.connections()
    expect(views.map(({ id, state, problem }) => [id, state, problem])).toEqual(
      ['main', ...[1, 2, 3, 4, 5, 6].map((round) => `more-${round}`)].map((id) => [id, 'ready', null]),
    )
  })

  it('are refused by a process with the old key alone that would have to read what is under the new one', async () => {
    const old = await world()
    const { store } = old
    await old.registry.start()
    await old.admin.create('main', filledIn())
    const both = await world({ store, sealer: new Sealer(keys[1], keys[0]) })
    await both.registry.start()
    const { token: _, ...config } = filledIn({ note: 'changed' }).config
    const replacing = old.admin.replace('main', { connector: 'example@1', config, enabled: true }, null)
    await expect(replacing).rejects.toThrow('config.token: expected it again')
  })

  it.each([
    ['no key', null],
    ['another key', new Sealer(keys[1])],
  ])('leave a connection broken in a process with %s, and the others whole', async (_, sealer) => {
    const { kind } = slowKind()
    const { registry, admin, store } = await world()
    await registry.start()
    await admin.create('main', filledIn())
    const other = await world({ store, sealer, builtIn: [kind] })
    await save(store, { id: 'plain' })
    await other.registry.start()
    expect([other.registry.outlet('main'), other.registry.outlet('plain')?.id]).toEqual([null, 'plain'])
    expect(await other.admin.connection('main')).toMatchObject({
      state: 'broken',
      problem: expect.stringContaining('config.token'),
    })
  })
})

describe('connectors that are shipped', () => {
  it('are there, all of them right', async () => {
    const files = await readdir(shippedDir)
    const { registry, admin } = await world({ shippedDir })
    await registry.start()
    const { connectors, problems } = admin.connectors()
    expect(problems).toEqual([])
    expect(connectors.map(({ file }) => file ?? '').toSorted()).toEqual(files.toSorted())
    for (const { source, config } of connectors) expect([source, config.length > 0]).toEqual(['shipped', true])
  })
})

describe('connectors of the operator', () => {
  it('work as soon as their file is there, and again after each change, without a restart', async () => {
    const own = await folder()
    const { registry, admin, tick } = await world({ ownDir: own.path })
    await registry.start()
    await expect(admin.create('mine', filledIn({}, 'mine@1'))).rejects.toThrow('found "mine@1"')
    await own.write('mine.yaml', connectorText('mine'))
    await tick(() => registry.catalog.entries.has('mine@1'))
    const { url, seen } = await target(202)
    await admin.create('mine', filledIn({ url }, 'mine@1'))
    await admin.saveRoute({ ...route, tiers: [{ connections: [{ connection: 'mine', weight: 1 }] }] }, null)
    const [chosen] = registry.routeFor(aMessage())?.tiers[0]?.connections ?? []
    const outlet = registry.outlet(chosen?.connection ?? '')
    expect(await outlet?.send(aMessage(), signal)).toMatchObject({ class: 'accepted', statusCode: 202 })
    expect(seen).toHaveLength(1)
    expect(outlet?.buckets).toHaveLength(3)
    await own.write('mine.yaml', connectorText('mine', { rates: [] }))
    await tick(() => registry.outlet('mine')?.buckets.length === 0)
    await own.remove('mine.yaml')
    await tick(() => !registry.catalog.entries.has('mine@1'))
    // The connection goes on as it was: whoever tidies up a folder should not stop what works.
    expect(await admin.connection('mine')).toMatchObject({ state: 'ready', problem: expect.stringContaining('mine@1') })
  })

  it('stay as they were while their file is broken, which is said once, with line and column', async () => {
    const own = await folder()
    await own.write('mine.yaml', connectorText('mine'))
    const { registry, admin, logger, tick, clock } = await world({ ownDir: own.path })
    await registry.start()
    await own.write('mine.yaml', 'schema: connector/v1\nid: Mine\n')
    await tick(() => logger.of('warn').length > 0)
    for (let turn = 0; turn < 3; turn++) await clock.advance(pollMs)
    const { connectors, problems } = admin.connectors()
    expect(connectors.map(({ name, source }) => [name, source])).toEqual([
      ['example@1', 'shipped'],
      ['mine@1', 'own'],
    ])
    const idProblem = problems.find(({ path }) => path === 'id')
    expect(idProblem).toMatchObject({ file: own.of('mine.yaml'), line: 2, column: 1 })
    expect(idProblem?.message).toContain(`${own.of('mine.yaml')}:2:1 id: found "Mine"`)
    const lines = logger.of('warn').map(({ fields }) => fields['problem'])
    expect(new Set(lines).size).toBe(lines.length)
    expect(lines).toContain(idProblem?.message)
    await own.write('mine.yaml', connectorText('mine'))
    await tick(() => admin.connectors().problems.length === 0)
  })

  it('cannot take the place of what is there, nor of a channel that is not', async () => {
    const own = await folder()
    await own.write('a.yaml', connectorText('example'))
    await own.write('b.yaml', connectorText('twice'))
    await own.write('c.yaml', connectorText('twice'))
    await own.write('notes.txt', 'not read')
    const { registry, admin } = await world({ ownDir: own.path })
    await registry.start()
    expect(admin.connectors().connectors.map(({ name, file }) => [name, file])).toEqual([
      ['example@1', 'example.yaml'],
      ['twice@1', 'b.yaml'],
    ])
    expect(admin.connectors().problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('found example@1, which example.yaml is already'),
      expect.stringContaining('found twice@1, which b.yaml is already'),
    ])
  })

  it('that cannot be read at the start refuse it, and later change nothing', async () => {
    const { registry } = await world({ ownDir: '/nowhere/at/all' })
    await expect(registry.start()).rejects.toThrow('CONNECTORS_DIR: the folder /nowhere/at/all cannot be read')
    const own = await folder()
    await own.write('mine.yaml', connectorText('mine'))
    const later = await world({ ownDir: own.path })
    await later.registry.start()
    await own.removeAll()
    await later.tick(() => later.logger.of('warn').length > 0)
    expect(later.registry.catalog.entries.has('mine@1')).toBe(true)
  })

  it('are found by id alone in their newest version', async () => {
    const own = await folder()
    await own.write('a.yaml', connectorText('mine', { version: 10 }))
    await own.write('b.yaml', connectorText('mine', { version: 9 }))
    const { registry, admin } = await world({ ownDir: own.path })
    await registry.start()
    expect((await admin.create('mine', filledIn({}, 'mine'))).connector).toBe('mine@10')
    expect((await admin.create('old', filledIn({}, 'mine@9'))).connector).toBe('mine@9')
  })
})
