import { describe, expect, it } from 'vitest'
import type { ConnectionId } from '../domain/connection.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { FakeOutlet } from '../testkit/route-world.ts'
import { makeFindRefusedLimit } from './accept-limits.ts'

const message = { channel: 'SMS', tags: [], provider: null, title: null, html: null, data: null } as const

function setup(contentMax: Readonly<Record<ConnectionId, number>>, tiers: readonly (readonly ConnectionId[])[] | null) {
  const outlets = new Map<ConnectionId, FakeOutlet>()
  for (const [id, max] of Object.entries(contentMax)) {
    const outlet = new FakeOutlet(id, new ManualClock())
    outlet.contentMax = max
    outlets.set(id, outlet)
  }
  const route = tiers?.map((ids) => ({ connections: ids.map((connection) => ({ connection, weight: 1 })) })) ?? null
  const find = makeFindRefusedLimit({
    routeFor: () =>
      route === null
        ? null
        : { source: 'api', channel: 'SMS', tag: null, tiers: route, tryTimeoutMs: null, totalTimeoutMs: null },
    outlet: (id) => outlets.get(id) ?? null,
  })
  return (length: number, provider: ConnectionId | null = null) =>
    find({ ...message, provider, content: 'x'.repeat(length) })
}

describe('the limits of connections at accept', () => {
  it('refuse what no connection of the route takes, under the first one', () => {
    const find = setup({ a: 5, b: 7 }, [['a'], ['b']])
    expect(find(8)).toEqual({ connection: 'a', field: 'content', limit: 5, unit: 'chars', measured: 8 })
  })

  it('let through what one of them takes', () => {
    const find = setup({ a: 5, b: 7 }, [['a'], ['b']])
    expect([find(7), find(5)]).toEqual([null, null])
  })

  it('let through what nobody here can tell', () => {
    expect(setup({ a: 5 }, [['a', 'unheard']])(8)).toBeNull()
    expect(setup({}, null)(8)).toBeNull()
    expect(setup({}, [])(8)).toBeNull()
  })

  it('are those of the connection that the notification names', () => {
    const find = setup({ a: 5, b: 7 }, [['a']])
    expect(find(6, 'b')).toBeNull()
    expect(find(8, 'b')).toMatchObject({ connection: 'b', limit: 7, measured: 8 })
  })
})
