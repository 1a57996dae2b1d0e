import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { channels, type Lane, lanes } from '../domain/notification.ts'
import { lookAgainMs } from '../domain/protocol.ts'
import { systemClock } from '../lifecycle/system-clock.ts'
import type { Delivery } from '../port/broker.ts'
import { brokerConformance, patience, refs } from '../port/conformance/broker.suite.ts'
import type { LogFields, Logger } from '../port/telemetry.ts'
import { RabbitAdmin, testRabbitUrl, uniquePrefix } from '../testkit/rabbitmq.ts'
import { TcpProxy } from '../testkit/tcp-proxy.ts'
import { RabbitBroker, type RabbitBrokerOptions } from './broker.ts'

const lane: Lane = { channel: 'SMS', priority: 'HIGH' }
const backOff = { baseDelayMs: 20, maxDelayMs: 200, maxJitterMs: 10 }

let admin: RabbitAdmin
const prefixes: string[] = []
const brokers: RabbitBroker[] = []
const proxies: TcpProxy[] = []

beforeAll(async () => {
  admin = await RabbitAdmin.open()
})
afterEach(async () => {
  for (const proxy of proxies) proxy.thaw()
  await Promise.all(brokers.splice(0).map((broker) => broker.stop()))
  await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()))
  await admin.remove(...prefixes.splice(0))
})
afterAll(async () => {
  await admin.close()
})

interface Said {
  readonly up: boolean[]
  consumers: number
  unconfirmed: number
  parked: number
  readonly lines: string[]
}

/** A broker on a topology of its own, and everything it says. */
function makeBroker(options: Partial<RabbitBrokerOptions> = {}) {
  const prefix = options.prefix ?? newPrefix()
  const said: Said = { up: [], consumers: 0, unconfirmed: 0, parked: 0, lines: [] }
  const telemetry = {
    dependencyUp: (_: string, up: boolean) => void said.up.push(up),
    consumersActive: (count: number) => void (said.consumers = count),
    publishUnconfirmed: (count: number) => void (said.unconfirmed += count),
    parked: (count: number) => void (said.parked += count),
    bound: () => undefined,
    refused: () => undefined,
  }
  const logger = loggerInto(said.lines)
  const broker = new RabbitBroker(
    { url: testRabbitUrl(), backOff, ...options, prefix },
    { telemetry, logger, clock: systemClock, random: Math.random },
  )
  brokers.push(broker)
  const taken: Delivery[] = []
  const consume = (prefetch = 10, onDelivery: (delivery: Delivery) => void = () => undefined) =>
    broker.consume({
      channels,
      prefetch,
      onDelivery: (delivery) => {
        taken.push(delivery)
        onDelivery(delivery)
      },
    })
  return { broker, prefix, said, taken, consume, queue: `${prefix}.sms.high` }
}

function newPrefix(): string {
  const prefix = uniquePrefix()
  prefixes.push(prefix)
  return prefix
}

function loggerInto(lines: string[]): Logger {
  const line = (level: string) => (message: string, fields?: LogFields) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`)
  }
  const logger: Logger = {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: () => logger,
  }
  return logger
}

async function untilUp(broker: RabbitBroker): Promise<void> {
  await vi.waitFor(() => broker.check(AbortSignal.timeout(2_000)), patience)
}

async function startedBroker(options: Partial<RabbitBrokerOptions> = {}) {
  const made = makeBroker(options)
  await made.broker.start()
  await untilUp(made.broker)
  return made
}

async function behindProxy(options: Partial<RabbitBrokerOptions> = {}, isOpen = true) {
  const target = new URL(testRabbitUrl())
  const proxy = await TcpProxy.start({ host: target.hostname, port: Number(target.port || 5672) }, { isOpen })
  proxies.push(proxy)
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String(proxy.port)
  return { proxy, ...makeBroker({ url: url.href, ...options }) }
}

brokerConformance('RabbitBroker', async () => {
  const { broker } = await startedBroker()
  return { broker, close: () => broker.stop() }
})

describe('RabbitBroker topology', () => {
  it('declares a durable queue for each lane and one for what nobody can read', async () => {
    const { prefix } = await startedBroker()
    for (const { channel, priority } of lanes) {
      const name = `${prefix}.${channel}.${priority}`.toLowerCase()
      expect(await admin.lookUpQueue(name)).toEqual({ messages: 0, consumers: 0 })
      await expect(
        admin.declareQueue(name, {
          'x-queue-type': 'quorum',
          'x-delivery-limit': 20,
          'x-message-ttl': lookAgainMs,
        }),
      ).resolves.toBeUndefined()
    }
    expect(await admin.lookUpQueue(`${prefix}.parked`)).toEqual({ messages: 0, consumers: 0 })
  })

  it('is not ready while queues have other arguments, names each with both sides, deletes nothing, heals', async () => {
    const prefix = newPrefix()
    const others = [`${prefix}.sms.high`, `${prefix}.push.low`]
    for (const name of others) {
      await admin.declareQueue(name, { 'x-queue-type': 'quorum' })
      await admin.send(name, 'not yours')
    }
    const { broker, said, consume, taken } = makeBroker({ prefix })
    consume()
    await broker.start()
    await vi.waitFor(() => expect(said.lines.filter((line) => line.startsWith('error'))).toHaveLength(2), patience)
    const problem = await broker.check(AbortSignal.timeout(1_000)).catch((error: unknown) => String(error))
    for (const name of others) {
      expect(problem).toContain(`queue ${name} exists with other arguments`)
      expect(problem).toContain(`"x-message-ttl":${lookAgainMs}`)
      expect(problem).toContain(`inequivalent arg 'x-`)
      expect(await admin.lookUpQueue(name)).toEqual({ messages: 1, consumers: 0 })
    }
    expect(said.up).not.toContain(true)
    // The other lanes work meanwhile; the refused one takes nothing.
    await vi.waitFor(() => expect(said.consumers).toBe(lanes.length - others.length), patience)
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('unconfirmed')
    const low = { lane: { ...lane, priority: 'LOW' }, refs: refs(1) } as const
    await vi.waitFor(async () => expect(await broker.publish(low)).toBe('confirmed'), patience)
    await vi.waitFor(() => expect(taken).toHaveLength(1), patience)
    for (const name of others) await admin.deleteQueue(name)
    await untilUp(broker)
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('confirmed')
    await vi.waitFor(() => expect(taken).toHaveLength(2), patience)
    expect(said.lines.filter((line) => line.startsWith('error'))).toHaveLength(2)
  })

  it('declares a queue again that was deleted under its consumer', async () => {
    const { broker, said, consume, taken, queue } = await startedBroker()
    consume(10, (delivery) => delivery.ack())
    await untilUp(broker)
    await admin.deleteQueue(queue)
    await vi.waitFor(() => expect(said.lines.join()).toContain('the broker cancelled the consumer'), patience)
    await untilUp(broker)
    expect(said.consumers).toBe(lanes.length)
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('confirmed')
    await vi.waitFor(() => expect(taken).toHaveLength(1), patience)
  })

  it('answers unconfirmed to a message that found no queue, and declares the queue again', async () => {
    const { broker, queue, said } = await startedBroker()
    await admin.deleteQueue(queue)
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('unconfirmed')
    expect(said.unconfirmed).toBe(1)
    await vi.waitFor(async () => expect(await broker.publish({ lane, refs: refs(1) })).toBe('confirmed'), patience)
    expect(await admin.lookUpQueue(queue)).not.toBeNull()
  })

  it('notices at the health check that the exchange is gone, and brings it back', async () => {
    const { broker, prefix } = await startedBroker()
    await admin.deleteExchange(prefix)
    await expect(broker.check(AbortSignal.timeout(1_000))).rejects.toThrow(/404|NOT.FOUND/u)
    await untilUp(broker)
    await vi.waitFor(async () => expect(await broker.publish({ lane, refs: refs(1) })).toBe('confirmed'), patience)
  })
})

describe('RabbitBroker and what it cannot read', () => {
  it('sets a message aside with its origin, goes on, and logs nothing of it', async () => {
    const { broker, prefix, said, consume, taken, queue } = await startedBroker()
    await admin.send(queue, '{"secret":"+15550001"}')
    await admin.send(queue, 'x'.repeat(100_000))
    const good = refs(1)
    await broker.publish({ lane, refs: good })
    consume(1, (delivery) => delivery.ack())
    await vi.waitFor(() => expect(taken.map((one) => one.refs)).toEqual([good]), patience)
    expect(said.parked).toBe(2)
    const first = await admin.take(`${prefix}.parked`)
    expect(first?.body).toBe('{"secret":"+15550001"}')
    expect(first?.headers).toMatchObject({ queue, reason: 'unknown version', bytes: 22 })
    const second = await admin.take(`${prefix}.parked`)
    expect(second?.body).toHaveLength(65_536)
    expect(second?.headers).toMatchObject({ queue, reason: 'too long', bytes: 100_000 })
    expect(said.lines.join()).not.toContain('+15550001')
    await vi.waitFor(async () => expect(await admin.lookUpQueue(queue)).toMatchObject({ messages: 0 }), patience)
  })
})

describe('RabbitBroker on a bad network', () => {
  it('starts without a broker, answers unconfirmed at once, and works as soon as there is one', async () => {
    const { proxy, broker, said, consume, taken } = await behindProxy({}, false)
    consume()
    await broker.start()
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('unconfirmed')
    await expect(broker.check(AbortSignal.timeout(1_000))).rejects.toThrow('not ready yet')
    await vi.waitFor(() => expect(said.lines).not.toHaveLength(0), patience)
    await expect(broker.check(AbortSignal.timeout(1_000))).rejects.toThrow('connection: ')
    expect(said.up).not.toContain(true)
    proxy.open()
    await untilUp(broker)
    expect(said.up.at(-1)).toBe(true)
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('confirmed')
    await vi.waitFor(() => expect(taken).toHaveLength(1), patience)
  })

  it('reconnects when its connections are cut, again and again; what was in hand comes back', async () => {
    const { proxy, broker, said, consume, taken } = await behindProxy()
    consume()
    await broker.start()
    await untilUp(broker)
    const sent = refs(1)
    await broker.publish({ lane, refs: sent })
    for (let count = 1; count <= 3; count++) {
      await vi.waitFor(() => expect(taken).toHaveLength(count), patience)
      const linesBefore = said.lines.length
      proxy.cut()
      await vi.waitFor(() => expect(said.lines.length).toBeGreaterThan(linesBefore), patience)
      await untilUp(broker)
      taken[count - 1]?.ack()
    }
    await vi.waitFor(() => expect(taken).toHaveLength(4), patience)
    expect(taken.map((one) => one.refs)).toEqual([sent, sent, sent, sent])
    expect(said.consumers).toBe(lanes.length)
    expect(proxy.connections).toBe(2)
    expect(proxy.accepted).toBe(8)
    expect(said.up.filter((up) => up)).toHaveLength(4)
    expect(said.lines.filter((line) => line.includes('rabbitmq is up'))).toHaveLength(4)
  })

  it('comes through cuts in the middle of its handshake and its declarations', async () => {
    const { proxy, broker, consume, taken } = await behindProxy()
    consume()
    await broker.start()
    for (let round = 0; round < 15; round++) {
      const before = proxy.accepted
      await vi.waitFor(() => expect(proxy.accepted).toBeGreaterThan(before), patience)
      for (let turn = 0; turn < round; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
      proxy.cut()
    }
    await untilUp(broker)
    await broker.publish({ lane, refs: refs(1) })
    await vi.waitFor(() => expect(taken).toHaveLength(1), patience)
  })

  it('answers unconfirmed within its deadline on a frozen link, then makes a new one', async () => {
    const { proxy, broker, said } = await behindProxy({
      confirmTimeoutMs: 400,
      rpcTimeoutMs: 600,
      closeTimeoutMs: 100,
      connectTimeoutMs: 300,
      maxUnconfirmed: 3,
    })
    await broker.start()
    await untilUp(broker)
    proxy.freeze()
    const beganMs = performance.now()
    const publishes = Array.from({ length: 5 }, () => broker.publish({ lane, refs: refs(1) }))
    // Beyond the bound the answer does not even wait.
    expect(await publishes[4]).toBe('unconfirmed')
    expect(performance.now() - beganMs).toBeLessThan(350)
    expect(new Set(await Promise.all(publishes))).toEqual(new Set(['unconfirmed']))
    expect(performance.now() - beganMs).toBeLessThan(1_500)
    expect(said.unconfirmed).toBe(5)
    await expect(broker.check(AbortSignal.timeout(100))).rejects.toThrow()
    await vi.waitFor(() => expect(said.up.at(-1)).toBe(false), patience)
    proxy.thaw()
    proxy.cut()
    await untilUp(broker)
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('confirmed')
  })

  it('publishes nothing while the broker says that it is blocked, and goes on afterwards', async () => {
    const { proxy, broker, said } = await behindProxy()
    await broker.start()
    await untilUp(broker)
    proxy.inject(methodFrame(60, Buffer.from('\x06memory')))
    await vi.waitFor(() => expect(said.up.at(-1)).toBe(false), patience)
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('unconfirmed')
    await expect(broker.check(AbortSignal.timeout(1_000))).rejects.toThrow('takes no publishes: memory')
    proxy.inject(methodFrame(61, Buffer.alloc(0)))
    await untilUp(broker)
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('confirmed')
    expect(proxy.accepted).toBe(1)
  })

  it('stops within its bound on a frozen link and leaves no connection', async () => {
    const { proxy, broker, consume } = await behindProxy({ closeTimeoutMs: 100 })
    consume()
    await broker.start()
    await untilUp(broker)
    proxy.freeze()
    const publishing = broker.publish({ lane, refs: refs(1) })
    const beganMs = performance.now()
    await broker.stop()
    expect(performance.now() - beganMs).toBeLessThan(1_500)
    expect(await publishing).toBe('unconfirmed')
    proxy.thaw()
    await vi.waitFor(() => expect(proxy.connections).toBe(0), patience)
  })

  it('stops while it is still looking for the broker', async () => {
    const { broker } = await behindProxy({}, false)
    await broker.start()
    await broker.stop()
    await makeBroker().broker.stop()
  })
})

describe('RabbitBroker publishing', () => {
  it('lets confirms under way arrive before it stops', async () => {
    const { broker, queue } = await startedBroker()
    const publishes = Array.from({ length: 200 }, () => broker.publish({ lane, refs: refs(1) }))
    await broker.stop()
    expect(new Set(await Promise.all(publishes))).toEqual(new Set(['confirmed']))
    await vi.waitFor(async () => expect(await admin.lookUpQueue(queue)).toMatchObject({ messages: 200 }), patience)
  })

  it('refuses at once what goes beyond the bound, and has room again after the confirms', async () => {
    const { broker, said } = await startedBroker({ maxUnconfirmed: 10 })
    const burst = () => Promise.all(Array.from({ length: 15 }, () => broker.publish({ lane, refs: refs(1) })))
    for (let round = 0; round < 2; round++) {
      const results = await burst()
      expect(results.filter((result) => result === 'confirmed')).toHaveLength(10)
      expect(results.slice(10)).toEqual(Array.from({ length: 5 }, () => 'unconfirmed'))
    }
    expect(said.unconfirmed).toBe(10)
  })

  it('answers unconfirmed when the broker closes the channel under a publish, and opens another', async () => {
    const { broker, prefix, said } = await startedBroker()
    await admin.deleteExchange(prefix)
    const publishes = [broker.publish({ lane, refs: refs(1) }), broker.publish({ lane, refs: refs(1) })]
    expect(await Promise.all(publishes)).toEqual(['unconfirmed', 'unconfirmed'])
    await untilUp(broker)
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('confirmed')
    expect(said.lines.filter((line) => line.startsWith('warn'))).toHaveLength(1)
  })

  it('makes room on the same connection when lost confirms have taken every place', async () => {
    const { proxy, broker, queue } = await behindProxy({ confirmTimeoutMs: 200, maxUnconfirmed: 2 })
    await broker.start()
    await untilUp(broker)
    proxy.mute()
    const publishes = [broker.publish({ lane, refs: refs(1) }), broker.publish({ lane, refs: refs(1) })]
    await vi.waitFor(() => expect(proxy.lostBytes).toBeGreaterThan(0), patience)
    // The answer to a step of another connection: by then both confirms were written, and lost.
    await vi.waitFor(async () => expect(await admin.lookUpQueue(queue)).toMatchObject({ messages: 2 }), patience)
    expect(await broker.publish({ lane, refs: refs(1) })).toBe('unconfirmed')
    proxy.unmute()
    expect(await Promise.all(publishes)).toEqual(['unconfirmed', 'unconfirmed'])
    await vi.waitFor(async () => expect(await broker.publish({ lane, refs: refs(1) })).toBe('confirmed'), patience)
    expect(proxy.accepted).toBe(1)
  })

  it('gives what a stopped broker held in hand to another one', async () => {
    const first = await startedBroker()
    first.consume()
    const sent = refs(2)
    await first.broker.publish({ lane, refs: sent })
    await vi.waitFor(() => expect(first.taken).toHaveLength(1), patience)
    await first.broker.stop()
    first.taken[0]?.ack()
    const second = await startedBroker({ prefix: first.prefix })
    second.consume()
    await vi.waitFor(() => expect(second.taken.map((one) => one.refs)).toEqual([sent]), patience)
  })
})

/** A frame of class `connection` on channel 0, as the broker writes it. */
function methodFrame(method: number, args: Buffer): Buffer {
  const frame = Buffer.alloc(7 + 4 + args.length + 1)
  frame.writeUInt8(1, 0)
  frame.writeUInt16BE(0, 1)
  frame.writeUInt32BE(4 + args.length, 3)
  frame.writeUInt16BE(10, 7)
  frame.writeUInt16BE(method, 9)
  args.copy(frame, 11)
  frame.writeUInt8(0xce, frame.length - 1)
  return frame
}
