import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { DependencyUnavailableError } from '../domain/errors.ts'
import { systemClock } from '../lifecycle/system-clock.ts'
import { patience } from '../port/conformance/broker.suite.ts'
import { parkedExcerptMax } from '../port/parked.ts'
import { RabbitAdmin, testRabbitUrl, uniquePrefix } from '../testkit/rabbitmq.ts'
import { RecordingTelemetry, silentLogger } from '../testkit/telemetry.ts'
import { RabbitBroker } from './broker.ts'

let admin: RabbitAdmin
const prefixes: string[] = []
const brokers: RabbitBroker[] = []

beforeAll(async () => {
  admin = await RabbitAdmin.open()
})
afterEach(async () => {
  await Promise.all(brokers.splice(0).map((broker) => broker.stop()))
  await admin.remove(...prefixes.splice(0))
})
afterAll(async () => {
  await admin.close()
})

function makeBroker() {
  const prefix = uniquePrefix()
  prefixes.push(prefix)
  const broker = new RabbitBroker(
    { url: testRabbitUrl(), prefix },
    { telemetry: new RecordingTelemetry(), logger: silentLogger, clock: systemClock, random: Math.random },
  )
  brokers.push(broker)
  return { broker, prefix, queue: `${prefix}.parked` }
}

async function setup(...bodies: readonly string[]) {
  const made = makeBroker()
  await made.broker.start()
  await vi.waitFor(() => made.broker.check(new AbortController().signal), patience)
  for (const body of bodies) await admin.send(made.queue, body)
  const { parked } = made.broker
  const excerpts = async (limit = 100) => (await parked.list(limit)).messages.map((message) => message.excerpt)
  return { ...made, parked, excerpts }
}

describe('parked messages', () => {
  it('are shown oldest first, bounded, as often as one looks', async () => {
    const { parked, excerpts } = await setup('one', 'two', 'three')
    // The broker gives messages back a moment after the channel that took them has closed.
    const eventually = (look: () => Promise<void>) => vi.waitFor(look, patience)
    for (let look = 0; look < 3; look++) {
      await eventually(async () => expect(await excerpts()).toEqual(['one', 'two', 'three']))
    }
    await eventually(async () => expect(await excerpts(2)).toEqual(['one', 'two']))
    await eventually(async () => expect((await parked.list(2)).total).toBe(3))
  })

  it('say where they lay and why nobody could read them', async () => {
    const { broker, prefix, parked } = await setup()
    broker.consume({ channels: ['SMS'], prefetch: 1, onDelivery: (delivery) => delivery.ack() })
    await vi.waitFor(async () => {
      expect((await admin.lookUpQueue(`${prefix}.sms.high`))?.consumers).toBe(1)
    }, patience)
    const body = `garbage ${'x'.repeat(2_000)}`
    await admin.send(`${prefix}.sms.high`, body)
    await vi.waitFor(async () => expect((await parked.list(10)).total).toBe(1), patience)
    expect((await parked.list(10)).messages).toEqual([
      {
        queue: `${prefix}.sms.high`,
        reason: 'not a JSON object',
        bytes: body.length,
        excerpt: body.slice(0, parkedExcerptMax),
      },
    ])
  })

  it('go oldest first by count, or all at once', async () => {
    const { parked, excerpts } = await setup('one', 'two', 'three', 'four')
    expect(await parked.drop(2)).toBe(2)
    expect(await excerpts()).toEqual(['three', 'four'])
    expect(await parked.drop('all')).toBe(2)
    expect(await parked.drop(5)).toBe(0)
    expect(await excerpts()).toEqual([])
  })

  it('are shown whole to two who look at once', async () => {
    const { excerpts } = await setup('one', 'two')
    expect(await Promise.all([excerpts(), excerpts()])).toEqual([
      ['one', 'two'],
      ['one', 'two'],
    ])
  })

  it('cannot be had without a connection, and can again after the queue was missing', async () => {
    const unstarted = makeBroker().broker.parked
    await expect(unstarted.list(1)).rejects.toThrow(DependencyUnavailableError)
    const { parked, queue } = await setup('one')
    await admin.deleteQueue(queue)
    await expect(parked.list(1)).rejects.toThrow(DependencyUnavailableError)
    await admin.declareQueue(queue, { 'x-queue-type': 'quorum', 'x-max-length': 10_000 })
    expect((await parked.list(1)).total).toBe(0)
  })
})
