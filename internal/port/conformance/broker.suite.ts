import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { channels, type Lane, lanes } from '../../domain/notification.ts'
import { envelopeRefsMax } from '../../domain/protocol.ts'
import type { Component } from '../../lifecycle/component.ts'
import type { Broker, Consumption, Delivery, Reference } from '../broker.ts'
import type { HealthCheck } from '../health.ts'

interface OpenedBroker {
  /** Started, empty, and its health check resolves. */
  readonly broker: Broker & Component & HealthCheck
  /** Stops it and removes what it made. */
  close(): Promise<void>
}

const smsHigh: Lane = { channel: 'SMS', priority: 'HIGH' }
const emailLow: Lane = { channel: 'EMAIL', priority: 'LOW' }

/** What every broker must do, whatever stands behind it. */
export function brokerConformance(name: string, open: () => Promise<OpenedBroker>): void {
  describe(`${name} keeps the broker's contract`, () => {
    const opened: OpenedBroker[] = []
    afterEach(async () => {
      for (const one of opened.splice(0)) await one.close()
    })
    async function setup() {
      const one = await open()
      opened.push(one)
      return one.broker
    }

    it('delivers what was published once, with its lane and its references in order', async () => {
      const broker = await setup()
      const envelopes = [refs(1), refs(envelopeRefsMax), refs(2)]
      for (const one of envelopes) expect(await broker.publish({ lane: smsHigh, refs: one })).toBe('confirmed')
      const { taken } = consume(broker, { prefetch: 10, onDelivery: (delivery) => delivery.ack() })
      await vi.waitFor(() => expect(taken).toHaveLength(3), patience)
      expect(taken.map((one) => one.refs)).toEqual(envelopes)
      expect(taken.map((one) => one.lane)).toEqual([smsHigh, smsHigh, smsHigh])
      await sentinel(broker, taken)
      expect(taken).toHaveLength(4)
    })

    it('delivers to a consumer that was there before the message, and never from within publish', async () => {
      const broker = await setup()
      const { taken } = consume(broker, { prefetch: 10 })
      const publishing = broker.publish({ lane: smsHigh, refs: refs(1) })
      expect(taken).toHaveLength(0)
      expect(await publishing).toBe('confirmed')
      await vi.waitFor(() => expect(taken).toHaveLength(1), patience)
    })

    it('keeps every channel and every priority apart', async () => {
      const broker = await setup()
      const sent = new Map(lanes.map((lane) => [keyOf(lane), refs(1)]))
      const { taken } = consume(broker, { prefetch: 10, channels, onDelivery: (delivery) => delivery.ack() })
      await Promise.all(lanes.map((lane) => broker.publish({ lane, refs: sent.get(keyOf(lane)) ?? [] })))
      await vi.waitFor(() => expect(taken).toHaveLength(lanes.length), patience)
      expect(new Map(taken.map((one) => [keyOf(one.lane), one.refs]))).toEqual(sent)
    })

    it('leaves channels alone that were not asked for', async () => {
      const broker = await setup()
      const email = consume(broker, { prefetch: 10, channels: ['EMAIL'] })
      await broker.publish({ lane: smsHigh, refs: refs(1) })
      await broker.publish({ lane: emailLow, refs: refs(1) })
      const sms = consume(broker, { prefetch: 10 })
      await vi.waitFor(() => expect(sms.taken).toHaveLength(1), patience)
      await vi.waitFor(() => expect(email.taken).toHaveLength(1), patience)
      expect(email.taken[0]?.lane).toEqual(emailLow)
    })

    it('holds no more than the prefetch of a lane unacknowledged', async () => {
      const broker = await setup()
      const sent = [refs(1), refs(1), refs(1), refs(1), refs(1)]
      const first = consume(broker, { prefetch: 2 })
      for (const one of sent) await broker.publish({ lane: smsHigh, refs: one })
      await vi.waitFor(() => expect(first.taken).toHaveLength(2), patience)
      const second = consume(broker, { prefetch: 3 })
      await vi.waitFor(() => expect(second.taken).toHaveLength(3), patience)
      expect(first.taken).toHaveLength(2)
      expect([...first.taken, ...second.taken].map((one) => one.refs)).toEqual(sent)
    })

    it('goes on when a place becomes free', async () => {
      const broker = await setup()
      const { taken } = consume(broker, { prefetch: 1 })
      for (let at = 0; at < 3; at++) await broker.publish({ lane: smsHigh, refs: refs(1) })
      for (let count = 1; count <= 3; count++) {
        await vi.waitFor(() => expect(taken).toHaveLength(count), patience)
        taken[count - 1]?.ack()
      }
    })

    it('gives a requeued envelope out again, and a second word on one delivery changes nothing', async () => {
      const broker = await setup()
      const sent = refs(3)
      await broker.publish({ lane: smsHigh, refs: sent })
      const { taken } = consume(broker, { prefetch: 1 })
      await vi.waitFor(() => expect(taken).toHaveLength(1), patience)
      taken[0]?.requeue()
      taken[0]?.ack()
      await vi.waitFor(() => expect(taken).toHaveLength(2), patience)
      expect(taken[1]?.refs).toEqual(sent)
      taken[1]?.ack()
      taken[1]?.requeue()
      await sentinel(broker, taken)
      expect(taken).toHaveLength(3)
    })

    it('takes nothing new once consumption has stopped; what is in hand goes to another when given back', async () => {
      const broker = await setup()
      const first = consume(broker, { prefetch: 5 })
      const inHand = refs(1)
      await broker.publish({ lane: smsHigh, refs: inHand })
      await vi.waitFor(() => expect(first.taken).toHaveLength(1), patience)
      await first.consumption.stop()
      const later = refs(1)
      expect(await broker.publish({ lane: smsHigh, refs: later })).toBe('confirmed')
      const second = consume(broker, { prefetch: 5 })
      await vi.waitFor(() => expect(second.taken.map((one) => one.refs)).toEqual([later]), patience)
      first.taken[0]?.requeue()
      await vi.waitFor(() => expect(second.taken.map((one) => one.refs)).toEqual([later, inHand]), patience)
      expect(first.taken).toHaveLength(1)
    })

    it('takes an acknowledgement after consumption has stopped', async () => {
      const broker = await setup()
      const first = consume(broker, { prefetch: 5 })
      await broker.publish({ lane: smsHigh, refs: refs(1) })
      await vi.waitFor(() => expect(first.taken).toHaveLength(1), patience)
      await first.consumption.stop()
      await first.consumption.stop()
      first.taken[0]?.ack()
      const second = consume(broker, { prefetch: 5 })
      await sentinel(broker, second.taken)
      expect(second.taken).toHaveLength(1)
    })

    it('lives on when a handler throws, and gives the envelope out again', async () => {
      const broker = await setup()
      const sent = refs(1)
      let isFirst = true
      const { taken } = consume(broker, {
        prefetch: 5,
        onDelivery: (delivery) => {
          const throws = isFirst
          isFirst = false
          if (throws) throw new Error('a bug of the handler')
          delivery.ack()
        },
      })
      await broker.publish({ lane: smsHigh, refs: sent })
      await vi.waitFor(() => expect(taken.map((one) => one.refs)).toEqual([sent, sent]), patience)
    })

    it('answers unconfirmed to an envelope without references or with too many', async () => {
      const broker = await setup()
      expect(await broker.publish({ lane: smsHigh, refs: [] })).toBe('unconfirmed')
      expect(await broker.publish({ lane: smsHigh, refs: refs(envelopeRefsMax + 1) })).toBe('unconfirmed')
    })

    it('never rejects after its stop, and settling what was in hand does no harm', async () => {
      const broker = await setup()
      const { taken, consumption } = consume(broker, { prefetch: 5 })
      await broker.publish({ lane: smsHigh, refs: refs(1) })
      await broker.publish({ lane: smsHigh, refs: refs(1) })
      await vi.waitFor(() => expect(taken).toHaveLength(2), patience)
      await broker.stop()
      await broker.stop()
      expect(await broker.publish({ lane: smsHigh, refs: refs(1) })).toBe('unconfirmed')
      taken[0]?.ack()
      taken[1]?.requeue()
      await consumption.stop()
      await broker.consume({ channels, prefetch: 1, onDelivery: () => undefined }).stop()
      await expect(broker.check(AbortSignal.timeout(1_000))).rejects.toThrow('not running')
      await broker.start()
      expect(await broker.publish({ lane: smsHigh, refs: refs(1) })).toBe('unconfirmed')
    })
  })
}

export function refs(count: number): readonly Reference[] {
  return Array.from({ length: count }, (_, at) => ({ id: randomUUID(), leaseToken: at }))
}

/** Polls often: local brokers answer within a few milliseconds; only a broken one needs the whole time. */
export const patience = { timeout: 10_000, interval: 5 } as const

interface Taking {
  readonly taken: Delivery[]
  readonly consumption: Consumption
}

function consume(broker: Broker, options: Partial<Parameters<Broker['consume']>[0]> & { prefetch: number }): Taking {
  const taken: Delivery[] = []
  const consumption = broker.consume({
    channels: ['SMS'],
    ...options,
    onDelivery: (delivery) => {
      taken.push(delivery)
      options.onDelivery?.(delivery)
    },
  })
  return { taken, consumption }
}

/** One more envelope and its arrival: whatever was to come before it in its lane has come. */
async function sentinel(broker: Broker, taken: readonly Delivery[]): Promise<void> {
  const last = refs(1)
  await broker.publish({ lane: smsHigh, refs: last })
  await vi.waitFor(() => expect(taken.at(-1)?.refs).toEqual(last), patience)
}

function keyOf({ channel, priority }: Lane): string {
  return `${channel}.${priority}`
}
