import { describe, expect, it } from 'vitest'
import { type Lane, lanes } from '../domain/notification.ts'
import { lookAgainMs } from '../domain/protocol.ts'
import type { Delivery, Reference } from '../port/broker.ts'
import { brokerConformance, refs } from '../port/conformance/broker.suite.ts'
import type { Logger } from '../port/telemetry.ts'
import { ManualClock, settle } from '../testkit/manual-clock.ts'
import { MemoryBroker, type MemoryBrokerOptions } from './memory-broker.ts'

const lane: Lane = { channel: 'PUSH', priority: 'NORMAL' }

interface Said {
  bound: { readonly inUse: number; readonly limit: number } | null
  refused: number
  unconfirmed: number
  readonly consumers: number[]
  readonly up: boolean[]
}

async function setup(options: MemoryBrokerOptions = {}) {
  const clock = new ManualClock()
  const said: Said = { bound: null, refused: 0, unconfirmed: 0, consumers: [], up: [] }
  const telemetry = {
    dependencyUp: (_: string, up: boolean) => void said.up.push(up),
    consumersActive: (count: number) => void said.consumers.push(count),
    publishUnconfirmed: (count: number) => void (said.unconfirmed += count),
    bound: (_: string, state: { readonly inUse: number; readonly limit: number }) => void (said.bound = state),
    refused: (_: string, count: number) => void (said.refused += count),
  }
  const broker = new MemoryBroker({ clock, telemetry, logger: silent }, options)
  await broker.start()
  await broker.check()
  const taken: Delivery[] = []
  const consume = (prefetch: number, onDelivery: (delivery: Delivery) => void = () => undefined) =>
    broker.consume({
      channels: ['PUSH'],
      prefetch,
      onDelivery: (delivery) => {
        taken.push(delivery)
        onDelivery(delivery)
      },
    })
  return { broker, clock, said, taken, consume }
}

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
}

brokerConformance('MemoryBroker', async () => {
  const { broker } = await setup()
  return { broker, close: () => broker.stop() }
})

describe('MemoryBroker', () => {
  it('drops a copy that waited as long as the scan does before it looks again', async () => {
    const { broker, clock, taken, consume } = await setup()
    const fresh = refs(1)
    await broker.publish({ lane, refs: refs(1) })
    await clock.advance(1)
    await broker.publish({ lane, refs: fresh })
    await clock.advance(lookAgainMs - 1)
    consume(10)
    await settle()
    expect(taken.map((one) => one.refs)).toEqual([fresh])
  })

  it('refuses what goes beyond the bound of a lane, other lanes and expired copies apart', async () => {
    const { broker, clock, said } = await setup({ maxQueuedPerLane: 2 })
    const publish = (priority: Lane['priority'] = 'NORMAL') =>
      broker.publish({ lane: { ...lane, priority }, refs: refs(1) })
    expect([await publish(), await publish(), await publish()]).toEqual(['confirmed', 'confirmed', 'unconfirmed'])
    expect([said.unconfirmed, said.refused, said.bound]).toEqual([1, 1, { inUse: 2, limit: lanes.length * 2 }])
    expect(await publish('HIGH')).toBe('confirmed')
    await clock.advance(lookAgainMs)
    expect(await publish()).toBe('confirmed')
  })

  it('drops a copy that was given back more often than RabbitMQ would allow', async () => {
    const { broker, taken, consume } = await setup()
    consume(1, (delivery) => delivery.requeue())
    await broker.publish({ lane, refs: refs(1) })
    while (taken.length < 21) await settle()
    const last = refs(1)
    await broker.publish({ lane, refs: last })
    await settle()
    expect(taken[20]?.refs).not.toEqual(last)
    expect(taken[21]?.refs).toEqual(last)
  })

  it('shares a lane evenly between consumers', async () => {
    const { broker, consume } = await setup()
    const counts = [0, 0]
    for (const at of [0, 1]) {
      consume(10, (delivery) => {
        counts[at] = (counts[at] ?? 0) + 1
        delivery.ack()
      })
    }
    for (let at = 0; at < 10; at++) await broker.publish({ lane, refs: refs(1) })
    await settle()
    expect(counts).toEqual([5, 5])
  })

  it('does not share its envelopes with the publisher', async () => {
    const { broker, taken, consume } = await setup()
    const mine = [...refs(2)]
    const before = [...mine]
    await broker.publish({ lane, refs: mine })
    mine.pop()
    consume(1)
    await settle()
    expect(taken[0]?.refs).toEqual(before)
  })

  it('hands back at its stop what waits and what workers gave back, once', async () => {
    const left: Reference[] = []
    const { broker, taken, consume } = await setup({ handBack: async (given) => void left.push(...given) })
    const consumption = consume(1)
    const [first, second] = [refs(1), refs(2)]
    await broker.publish({ lane, refs: first })
    await broker.publish({ lane, refs: second })
    await settle()
    expect(taken).toHaveLength(1)
    await consumption.stop()
    taken[0]?.requeue()
    await Promise.all([broker.stop(), broker.stop()])
    expect(left).toEqual([...first, ...second])
  })

  it('tells how many consumers work and that it is up', async () => {
    const { broker, said, consume } = await setup()
    const consumption = consume(1)
    await consumption.stop()
    await broker.stop()
    expect(said.up).toEqual([true])
    expect(said.consumers).toEqual([3, 0, 0])
  })

  it('answers unconfirmed before its start, and delivers nothing', async () => {
    const { said, clock } = await setup()
    expect(said.unconfirmed).toBe(0)
    const telemetry = {
      dependencyUp: () => undefined,
      consumersActive: () => undefined,
      publishUnconfirmed: () => undefined,
      bound: () => undefined,
      refused: () => undefined,
    }
    const broker = new MemoryBroker({ clock, telemetry, logger: silent })
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('unconfirmed')
    await expect(broker.check()).rejects.toThrow('not running')
  })
})
