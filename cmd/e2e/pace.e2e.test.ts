import { describe, expect, it } from 'vitest'
import { eventually } from '../../internal/testkit/eventually.ts'
import { profiles } from './harness/profiles.ts'
import { forEachOf, plainItems } from './harness/requests.ts'
import { useWorld } from './harness/world.ts'

const rate = 50
const burst = 5
const tolerance = 1.15

describe.each(profiles)('pace ($name)', (profile) => {
  // Built-in parts know one process only; on real services two share the rate.
  const engines = profile.name === 'services' ? [{}, {}] : [{}]
  const settings = { RATE_LIMIT_PER_SEC: String(rate), RATE_LIMIT_BURST: String(burst) }
  const world = useWorld(profile, { settings, engines })

  it('holds the rate of a channel, over all processes together, and uses it', async () => {
    // Connections and plans are made by the first sends; afterwards what arrives is paced by the permits alone.
    await forEachOf(plainItems(20, { channel: 'EMAIL' }), 4, (item) => world.client.create(item))
    await eventually(() => world.sink.count() >= 20)
    world.sink.reset()
    const count = 300
    const batches = Array.from({ length: count / 5 }, () => plainItems(5))
    await forEachOf(batches, 4, (items) => world.client.createBatch(items))
    await eventually(() => world.sink.count() >= count, { withinMs: 20_000 })
    const times = world.sink.received().map(({ at }) => at)
    const worst = fullestWindow(times)
    const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1_000
    const used = (count - burst) / seconds / rate
    console.log(
      `${profile.name}: ${count} sends in ${seconds.toFixed(2)} s, ${Math.round(used * 100)} % of the rate used; ` +
        `fullest window: ${worst.count} in ${worst.ms} ms, ${worst.excess.toFixed(2)} of what is allowed`,
    )
    expect(worst.excess).toBeLessThanOrEqual(tolerance)
    expect(used).toBeGreaterThanOrEqual(0.8)
    expect(world.sink.count()).toBe(count)
    const shares = await Promise.all(
      world.engines.map(async ({ client }) => (await client.figures()).sum('notifications_sent_total')),
    )
    await eventually(async () => expect(await world.client.total({ status: 'SENT' })).toBe(count + 20))
    for (const share of shares) expect(share).toBeGreaterThan(0)
  })
})

/** Shorter windows tell the jitter of the machine, not the pace of the engine. */
const windowMsMin = 1_000

/** The window between any two deliveries that holds most in relation to `rate × seconds + burst`. */
function fullestWindow(times: readonly number[]): { count: number; ms: number; excess: number } {
  let worst = { count: 0, ms: 0, excess: 0 }
  for (const [first, from] of times.entries()) {
    for (let last = first; last < times.length; last++) {
      const ms = (times[last] ?? 0) - from
      const count = last - first + 1
      const excess = count / ((rate * Math.max(ms, windowMsMin)) / 1_000 + burst)
      if (excess > worst.excess) worst = { count, ms, excess }
    }
  }
  return worst
}
