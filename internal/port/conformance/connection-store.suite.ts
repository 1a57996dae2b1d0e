import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ConnectionRow, ConnectionStore, RouteRow, Saved } from '../connection-store.ts'

export interface ConnectionStoreUnderTest {
  /** Empty. */
  readonly store: ConnectionStore
  close(): Promise<void>
}

export const aConnection: ConnectionRow = {
  id: 'main',
  connector: 'twilio-sms@1',
  channel: 'SMS',
  config: { from: '+15550100', deep: { quotes: `'"\\{}`, list: [1, null, true] } },
  secrets: { authToken: 's1.key.nonce.sealed' },
  enabled: true,
}

const aRoute: RouteRow = {
  channel: 'SMS',
  tag: null,
  tiers: [{ connections: [{ connection: 'main', weight: 3 }] }],
  tryTimeoutMs: 5_000,
  totalTimeoutMs: 30 * 86_400_000,
}

function revisionOf(saved: Saved): number {
  if (saved.kind === 'stale') throw new Error('the write was stale')
  return saved.revision
}

/** What every {@link ConnectionStore} must do. */
export function connectionStoreConformance(name: string, open: () => Promise<ConnectionStoreUnderTest>): void {
  describe(`${name} as a connection store`, () => {
    let opened: ConnectionStoreUnderTest
    let store: ConnectionStore
    beforeEach(async () => {
      opened = await open()
      store = opened.store
    })
    afterEach(() => opened.close())

    it('is empty at first, under a revision', async () => {
      const { revision, ...rest } = await store.read()
      expect(rest).toEqual({ connections: [], routes: [], pauses: new Map() })
      expect(await store.revision()).toBe(revision)
    })

    it('gives back what was saved, and when', async () => {
      const since = await store.revision()
      const first = revisionOf(await store.saveConnection(since, aConnection))
      const second = revisionOf(await store.saveRoute(first, aRoute))
      expect(await store.revision()).toBe(second)
      const { connections, routes } = await store.read()
      const times = { createdAt: expect.any(Date), updatedAt: expect.any(Date) }
      expect(connections).toEqual([{ ...aConnection, ...times, revision: first }])
      expect(routes).toEqual([{ ...aRoute, ...times, revision: second }])
      expect(Number.isNaN(connections[0]?.createdAt.getTime())).toBe(false)
    })

    it('replaces under the same id, and keeps when it was made', async () => {
      const first = revisionOf(await store.saveConnection(await store.revision(), aConnection))
      const [before] = (await store.read()).connections
      const changed = { ...aConnection, config: {}, secrets: {}, enabled: false, connector: 'twilio-sms@2' }
      const second = revisionOf(await store.saveConnection(first, changed))
      const { connections } = await store.read()
      expect(connections).toMatchObject([{ ...changed, revision: second, createdAt: before?.createdAt }])
    })

    it('tells a route of a tag from the one of the channel', async () => {
      const tagged = { ...aRoute, tag: 'urgent', tryTimeoutMs: null, totalTimeoutMs: null }
      const first = revisionOf(await store.saveRoute(await store.revision(), tagged))
      const second = revisionOf(await store.saveRoute(first, aRoute))
      expect((await store.read()).routes).toMatchObject([aRoute, tagged])
      await store.removeRoute(second, { channel: 'SMS', tag: null })
      expect((await store.read()).routes).toMatchObject([tagged])
    })

    it('refuses a write whose checks were made against what has passed', async () => {
      const since = await store.revision()
      const now = revisionOf(await store.saveConnection(since, aConnection))
      expect(await store.saveConnection(since, { ...aConnection, id: 'other' })).toEqual({ kind: 'stale' })
      expect(await store.saveRoute(since, aRoute)).toEqual({ kind: 'stale' })
      expect(await store.removeConnection(since, 'main')).toEqual({ kind: 'stale' })
      expect(await store.removeRoute(since, aRoute)).toEqual({ kind: 'stale' })
      expect(await store.pause(since, 'main', { code: 'config', reason: 'wrong token' })).toEqual({ kind: 'stale' })
      const { revision, connections, routes, pauses } = await store.read()
      expect([revision, connections.length, routes.length, pauses.size]).toEqual([now, 1, 0, 0])
    })

    it('lets one of many writers through that checked against the same', async () => {
      const since = await store.revision()
      const ids = Array.from({ length: 8 }, (_, n) => `c-${n}`)
      const saved = await Promise.all(ids.map((id) => store.saveConnection(since, { ...aConnection, id })))
      expect(saved.filter(({ kind }) => kind === 'saved')).toHaveLength(1)
      expect((await store.read()).connections).toHaveLength(1)
    })

    it('pauses once, for whatever id, and resumes only what is paused', async () => {
      const since = await store.revision()
      const paused = revisionOf(await store.pause(since, 'of-a-file', { code: 'config', reason: 'wrong\0 token' }))
      expect(paused).toBeGreaterThan(since)
      await store.pause(paused, 'of-a-file', { code: 'operator', reason: 'later' })
      const { pauses } = await store.read()
      expect(pauses.get('of-a-file')).toMatchObject({ code: 'config', since: expect.any(Date) })
      await store.resume('of-a-file')
      const resumed = await store.revision()
      expect(resumed).toBeGreaterThan(paused)
      await store.resume('of-a-file')
      expect([await store.revision(), (await store.read()).pauses.size]).toEqual([resumed, 0])
    })

    it('keeps a pause while a connection is changed, and drops it with the connection', async () => {
      await store.saveConnection(await store.revision(), aConnection)
      await store.pause(await store.revision(), 'main', { code: 'config', reason: 'wrong token' })
      await store.saveConnection(await store.revision(), { ...aConnection, config: {} })
      expect((await store.read()).pauses.has('main')).toBe(true)
      await store.removeConnection(await store.revision(), 'main')
      const { connections, pauses } = await store.read()
      expect([connections.length, pauses.size]).toEqual([0, 0])
    })

    it('begins a new connection without a pause that was left under its id', async () => {
      await store.pause(await store.revision(), 'main', { code: 'config', reason: 'of a file once' })
      await store.saveConnection(await store.revision(), aConnection)
      expect((await store.read()).pauses.size).toBe(0)
    })
  })
}
