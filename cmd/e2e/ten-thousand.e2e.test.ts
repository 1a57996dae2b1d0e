import { describe, expect, it } from 'vitest'
import { eventually } from '../../internal/testkit/eventually.ts'
import { isChosen } from './harness/profiles.ts'
import { plainItems, untilTotal } from './harness/requests.ts'
import { emptyQueues, emptyRedis, servicesProfile } from './harness/services-ground.ts'
import { useWorld } from './harness/world.ts'

const count = 10_000
const batches = 10

describe.runIf(isChosen('services'))('ten thousand notifications', () => {
  const world = useWorld(servicesProfile)

  it('are all sent through kill -9, an emptied RabbitMQ and an emptied Redis, none lost', async () => {
    const startedMs = performance.now()
    const seconds = () => ((performance.now() - startedMs) / 1_000).toFixed(1)
    const ids: string[] = []
    for (let at = 0; at < batches; at++) {
      const { notifications } = await world.client.createBatch(plainItems(count / batches))
      ids.push(...notifications.map(({ id }) => id))
    }
    const accepted = seconds()
    await eventually(() => world.sink.count() >= 1_500, { withinMs: 20_000, everyMs: 5 })
    await world.engine.kill9()
    const killed = `kill -9 after ${world.sink.count()} deliveries (${seconds()} s)`
    await world.engine.start()
    const lost = await emptyQueues()
    const emptied = `${lost} messages lost (${seconds()} s)`
    const keys = await emptyRedis()
    await untilTotal(world.client, 'SENT', count, 90_000)
    const deliveries = world.deliveries()
    const twice = ids.filter((id) => (deliveries.get(id)?.length ?? 0) > 1).length
    console.log(
      `${count} accepted after ${accepted} s, ${killed}, ${emptied}, ${keys} keys lost; SENT after ${seconds()} s; ${twice} twice`,
    )
    expect(new Set(ids).size).toBe(count)
    expect(ids.filter((id) => !deliveries.has(id))).toEqual([])
    for (const [id, all] of deliveries) for (const { key } of all) expect(key).toBe(`${id}:0`)
    expect(lost).toBeGreaterThan(0)
  })
})
