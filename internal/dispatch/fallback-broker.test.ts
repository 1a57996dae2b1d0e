import { describe, expect, it } from 'vitest'
import type { Broker, ConsumeOptions, Envelope, PublishResult } from '../port/broker.ts'
import { anId } from '../testkit/builders.ts'
import { withFallback } from './fallback-broker.ts'

function fakeBroker(answer: () => PublishResult) {
  const published: Envelope[] = []
  const consumed: ConsumeOptions[] = []
  let stopped = 0
  const broker: Broker = {
    async publish(envelope) {
      published.push(envelope)
      return answer()
    },
    consume(options) {
      consumed.push(options)
      return { stop: async () => void stopped++ }
    },
  }
  return { broker, published, consumed, stops: () => stopped }
}

function setup() {
  let answer: PublishResult = 'confirmed'
  const far = fakeBroker(() => answer)
  const local = fakeBroker(() => 'confirmed')
  const away = (isAway: boolean) => void (answer = isAway ? 'unconfirmed' : 'confirmed')
  return { far, local, away, broker: withFallback(far.broker, local.broker) }
}

const envelope: Envelope = { lane: { channel: 'SMS', priority: 'HIGH' }, refs: [{ id: anId(), leaseToken: 0 }] }

describe('degraded dispatch', () => {
  it('sends through the broker alone while it confirms', async () => {
    const { broker, far, local } = setup()
    expect(await broker.publish(envelope)).toBe('confirmed')
    expect([far.published, local.published]).toEqual([[envelope], []])
  })

  it('hands what is not confirmed to the workers of this process, and still says that it was not confirmed', async () => {
    const { broker, local, away } = setup()
    away(true)
    expect(await broker.publish(envelope)).toBe('unconfirmed')
    expect(local.published).toEqual([envelope])
  })

  it('leaves the local way at once when the broker confirms again', async () => {
    const { broker, local, away } = setup()
    away(true)
    await broker.publish(envelope)
    away(false)
    await broker.publish(envelope)
    expect(local.published).toHaveLength(1)
  })

  it('takes deliveries of both ways, and stops both', async () => {
    const { broker, far, local } = setup()
    const options: ConsumeOptions = { channels: ['SMS'], prefetch: 3, onDelivery: () => undefined }
    const consumption = broker.consume(options)
    expect([far.consumed, local.consumed]).toEqual([[options], [options]])
    await consumption.stop()
    expect([far.stops(), local.stops()]).toEqual([1, 1])
  })
})
