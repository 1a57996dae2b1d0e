import { describe, expect, it } from 'vitest'
import { ManualClock } from '../testkit/manual-clock.ts'
import { collectGarbage, makeMemoryAtRest, processCpuMs } from './memory-at-rest.ts'

async function setup() {
  const clock = new ManualClock()
  const world = { cpuMs: 0, collected: 0, errors: 0, fails: false }
  const component = makeMemoryAtRest({
    clock,
    cpuMs: () => world.cpuMs,
    async collect() {
      world.collected++
      world.cpuMs += 1_000 // a collection is no work
      if (world.fails) throw new Error('no')
    },
    onError: () => void world.errors++,
  })
  await component.start()
  const pass = async (seconds: number, cpuShare: number) => {
    for (let second = 0; second < seconds; second++) {
      world.cpuMs += 1_000 * cpuShare
      await clock.advance(1_000)
    }
  }
  return { world, pass, stop: () => component.stop() }
}

describe('memory at rest', () => {
  it('is given back once after each time of work, and never during it', async () => {
    const { world, pass, stop } = await setup()
    await pass(60, 0.8)
    expect(world.collected).toBe(0)
    await pass(120, 0.01)
    expect(world.collected).toBe(1)
    await pass(20, 0.3)
    await pass(120, 0.01)
    expect(world.collected).toBe(2)
    await stop()
    await pass(60, 0.5)
    await pass(60, 0.01)
    expect(world.collected).toBe(2)
  })

  it('goes on after a collection that failed', async () => {
    const { world, pass, stop } = await setup()
    world.fails = true
    await pass(20, 0.8)
    await pass(40, 0.01)
    await pass(20, 0.8)
    await pass(40, 0.01)
    expect(world).toMatchObject({ collected: 2, errors: 2 })
    await stop()
  })

  it('comes from a collection of the whole heap', async () => {
    const garbage = new WeakRef({ nobody: 'needs it' })
    await new Promise((resolve) => setImmediate(resolve)) // a WeakRef keeps its target for the turn in which it was made
    await collectGarbage()
    expect(garbage.deref()).toBeUndefined()
    expect(processCpuMs()).toBeGreaterThan(0)
  })
})
