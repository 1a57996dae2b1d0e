import { describe, expect, it } from 'vitest'
import { eventually } from '../../internal/testkit/eventually.ts'
import { profiles } from './harness/profiles.ts'
import { plainItems } from './harness/requests.ts'
import { useWorld } from './harness/world.ts'

const highs = 24
const lows = 60

describe.each(profiles)('priorities ($name)', (profile) => {
  const world = useWorld(profile, { settings: { WORKER_CONCURRENCY: '1' } })

  it('lets waiting HIGH work go first while LOW still moves', async () => {
    world.sink.behave('slow:20')
    await world.client.createBatch(plainItems(lows, { priority: 'LOW', content: 'low' }))
    await eventually(() => world.sink.count() >= 3) // the backlog is being worked off
    await world.client.createBatch(plainItems(highs, { priority: 'HIGH', content: 'high' }))
    const from = world.sink.count()
    await eventually(() => world.sink.count() === highs + lows, { withinMs: 15_000 })
    const order = world.sink.received(from).map(({ content }) => content)
    const firstHigh = order.indexOf('high')
    const lastHigh = order.lastIndexOf('high')
    const lowBetween = lastHigh + 1 - firstHigh - order.filter((content) => content === 'high').length
    console.log(`${profile.name}: first HIGH after ${firstHigh} sends; ${lowBetween} LOW beside ${highs} HIGH`)
    // What was claimed or about to be claimed when they came in may still go first.
    expect(firstHigh).toBeLessThanOrEqual(5)
    // The share of LOW beside HIGH is one in seven: 4 of 24.
    expect(lowBetween).toBeGreaterThanOrEqual(1)
    expect(lowBetween).toBeLessThanOrEqual(8)
    expect(order.slice(0, 5 + highs + 8).filter((content) => content === 'high')).toHaveLength(highs)
  })
})
