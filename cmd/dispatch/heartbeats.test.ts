import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../internal/testkit/manual-clock.ts'
import { silentLogger } from '../../internal/testkit/telemetry.ts'
import { heartbeats } from './heartbeats.ts'

function setup() {
  const clock = new ManualClock()
  const alive = new Set<string>()
  const heartbeat = {
    beat: async ({ id }: { readonly id: string }) => void alive.add(id),
    findWorkers: async () =>
      [...alive].map((id) => ({ id, role: 'all', inFlight: 0, lastSeenAt: new Date(0), ageSeconds: 0 })),
    leave: async (id: string) => void alive.delete(id),
  }
  const begin = async (id: string) => {
    const told: number[] = []
    const beating = { id, role: 'all', inFlight: () => 0, shareAmong: (replicas: number) => void told.push(replicas) }
    const components = heartbeats({ heartbeat, clock, logger: silentLogger }, beating)
    for (const component of components) await component.start()
    const stop = async () => {
      for (const component of components.toReversed()) await component.stop()
    }
    return { told, stop }
  }
  return { clock, alive, begin }
}

describe('heartbeats', () => {
  it('of processes that start together never tell one that it is alone', async () => {
    const { clock, begin } = setup()
    const first = await begin('a')
    await clock.advance(1_000)
    const second = await begin('b')
    await clock.advance(30_000)
    for (const { told } of [first, second]) expect(new Set(told)).toEqual(new Set([2]))
    await first.stop()
    await clock.advance(20_000)
    expect(second.told.at(-1)).toBe(1)
    await second.stop()
  })

  it('end at once when the process stops before the first count', async () => {
    const { alive, begin } = setup()
    const { told, stop } = await begin('a')
    await stop()
    expect(told).toEqual([])
    expect(alive.size).toBe(0)
  })
})
