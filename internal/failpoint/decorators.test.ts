import { describe, expect, it } from 'vitest'
import { DependencyUnavailableError } from '../domain/errors.ts'
import { type FailpointName, failpointNames } from '../domain/failpoint.ts'
import type { SendResult } from '../domain/outcome.ts'
import type { Broker, Delivery, PublishResult } from '../port/broker.ts'
import type { Claimed } from '../port/notification-store.ts'
import { aClaim, aNotification, anId } from '../testkit/builders.ts'
import { settle } from '../testkit/manual-clock.ts'
import { ModelStore } from '../testkit/model-store.ts'
import { FakeOutlet } from '../testkit/route-world.ts'
import { failingConsume, failingPublish } from './broker.ts'
import { failingStop } from './components.ts'
import { type Action, failpointsOf, rule, stateOf } from './failpoint.suite.ts'
import { failingOutlet } from './outlet.ts'
import { failingProvider } from './provider.ts'
import { failingStore } from './store.ts'

const lane = { channel: 'SMS', priority: 'HIGH' } as const
const envelope = { lane, refs: [{ id: anId(), leaseToken: 0 }] }

describe('a failing store', () => {
  async function setup(point: FailpointName, action: Action, content: string | null = null) {
    const world = failpointsOf([rule(point, action, { content })])
    const model = new ModelStore(() => world.clock.monotonicMs())
    const unused = () => Promise.reject(new Error('not asked for here'))
    const others = { list: unused, count: unused, estimateCount: unused, countBatch: unused, findAttempts: unused }
    const whole = Object.assign(model, others)
    return { ...world, model, store: failingStore(whole, world.failpoints) }
  }
  const item = aNotification({ content: 'hello' })

  it('loses a statement before it, and its answer after it', async () => {
    const before = await setup('accept.before', 'drop')
    await expect(before.store.accept([[item]])).rejects.toThrow(DependencyUnavailableError)
    expect(before.model.rows.size).toBe(0)
    const after = await setup('accept.after', 'drop')
    await expect(after.store.accept([[item]])).rejects.toThrow(DependencyUnavailableError)
    expect(after.model.rows.size).toBe(1)
  })

  it.each([
    ['claim.before', 'QUEUED'],
    ['claim.after', 'SENDING'],
  ] as const)('kills at %s with the row %s', async (point, status) => {
    const { store, model, killed } = await setup(point, 'kill')
    await store.accept([[item]])
    expect(await stateOf(store.claim([{ id: item.id, leaseToken: 0 }], { owner: 'me', durationMs: 1_000 }))).toBe(
      'pending',
    )
    expect([killed.count, model.rows.get(item.id)?.status]).toEqual([1, status])
  })

  it('breaks for one content only, where the statement has contents', async () => {
    const { store } = await setup('accept.before', 'throw', 'POISON')
    await expect(store.accept([[item]])).resolves.toHaveLength(1)
    await expect(store.accept([[aNotification({ content: 'a POISON' }), item]])).rejects.toThrow('failpoint')
  })

  it('has every other point of a store', async () => {
    const claim = aClaim()
    const settlement = {
      claimed: claim,
      provider: 'test',
      result: { kind: 'accepted', providerMessageId: null, statusCode: 200, responseExcerpt: null },
      decision: { kind: 'sent' },
      durationMs: 1,
    } as const
    const calls = {
      'settle.before': (store) => store.settle([settlement]),
      'settle.after': (store) => store.settle([settlement]),
      'lateSuccess.before': (store) => store.lateSuccess([settlement]),
      'defer.before': (store) => store.defer([{ id: claim.id, leaseToken: 0, delayMs: 1 }]),
      'release.before': (store) => store.release([{ claimed: claim, delayMs: 1 }]),
      'scan.before': (store) => store.releaseDue([]),
      'scan.after': (store) => store.releaseDue([]),
      'sweep.before': (store) => store.sweepOrphans(1, 1),
      'sweep.after': (store) => store.sweepOrphans(1, 1),
    } as const satisfies Partial<
      Record<FailpointName, (store: Awaited<ReturnType<typeof setup>>['store']) => Promise<unknown>>
    >
    for (const point of failpointNames) {
      const call = point in calls ? Object.entries(calls).find(([name]) => name === point)?.[1] : undefined
      if (call === undefined) continue
      const { store } = await setup(point, 'throw')
      await expect(call(store), point).rejects.toThrow(`failpoint ${point}`)
    }
  })
})

describe('a failing publish', () => {
  function setup(point: FailpointName, action: Action, answer: PublishResult = 'confirmed') {
    const world = failpointsOf([rule(point, action)])
    const published: unknown[] = []
    const broker: Broker = {
      async publish(one) {
        published.push(one)
        return answer
      },
      consume: () => ({ stop: () => Promise.resolve() }),
    }
    return { ...world, published, publish: () => failingPublish(broker, world.failpoints).publish(envelope) }
  }

  it.each([
    ['publish.before', 'drop', 'confirmed', 0],
    ['publish.before', 'throw', 'unconfirmed', 0],
    ['publish.confirm', 'drop', 'unconfirmed', 1],
    ['publish.confirm', 'throw', 'unconfirmed', 1],
    ['ack', 'throw', 'confirmed', 1],
  ] as const)('at %s=%s answers %s with %i messages out, and never rejects', async (point, action, answer, count) => {
    const { publish, published } = setup(point, action)
    expect(await publish()).toBe(answer)
    expect(published).toHaveLength(count)
  })
})

describe('a failing delivery', () => {
  function setup(point: FailpointName, action: Action) {
    const world = failpointsOf([rule(point, action)])
    const log: string[] = []
    let hand: (delivery: Delivery) => void = () => undefined
    const broker: Broker = {
      publish: () => Promise.resolve('confirmed'),
      consume(options) {
        hand = options.onDelivery
        return { stop: () => Promise.resolve() }
      },
    }
    const onDelivery = (delivery: Delivery) => {
      log.push('received')
      delivery.ack()
    }
    failingConsume(broker, world.failpoints).consume({ channels: ['SMS'], prefetch: 1, onDelivery })
    const deliver = () =>
      hand({ ...envelope, ack: () => void log.push('ack'), requeue: () => void log.push('requeue') })
    return { ...world, log, deliver }
  }

  it.each([
    ['receive', 'drop', ['ack']],
    ['receive', 'kill', []],
    ['ack', 'drop', ['received', 'requeue']],
    ['ack', 'throw', ['received', 'requeue']],
    ['ack', 'kill', ['received']],
    ['settle.before', 'kill', ['received', 'ack']],
  ] as const)('at %s=%s comes to %j', (point, action, expected) => {
    const { log, deliver, killed } = setup(point, action)
    deliver()
    expect(log).toEqual(expected)
    expect(killed.count).toBe(action === 'kill' && point !== 'settle.before' ? 1 : 0)
  })

  it('fails in the handler, or comes later', async () => {
    expect(() => setup('receive', 'throw').deliver()).toThrow('failpoint receive')
    for (const [point, first] of [
      ['receive', []],
      ['ack', ['received']],
    ] as const) {
      const { log, deliver, clock } = setup(point, 'delay')
      deliver()
      expect(log).toEqual(first)
      await clock.advance(200)
      expect(log).toEqual(['received', 'ack'])
    }
  })
})

describe('a failing provider', () => {
  function setup(point: FailpointName, action: Action) {
    const world = failpointsOf([rule(point, action, { content: 'POISON' })])
    const sent: Claimed[] = []
    const accepted: SendResult = { kind: 'accepted', providerMessageId: 'm', statusCode: 200, responseExcerpt: null }
    const provider = failingProvider(
      {
        name: 'test',
        async send(message) {
          sent.push(message)
          await world.clock.sleep(50)
          return accepted
        },
      },
      world.failpoints,
    )
    const send = async (content: string) => {
      const sending = provider.send(aClaim(undefined, { content }), new AbortController().signal)
      sending.catch(() => undefined)
      for (let turn = 0; turn < 5; turn++) await world.clock.advance(100)
      return sending
    }
    return { ...world, sent, send, provider }
  }

  it.each([
    ['send.before', 'drop', 'transient', 0],
    ['send.afterBytes', 'drop', 'unknown', 1],
    ['send.afterAnswer', 'drop', 'unknown', 1],
    ['send.afterBytes', 'delay', 'accepted', 1],
  ] as const)('at %s=%s gives %s with %i requests out', async (point, action, kind, count) => {
    const { send, sent } = setup(point, action)
    expect((await send('POISON')).kind).toBe(kind)
    expect(sent).toHaveLength(count)
    expect((await send('fine')).kind).toBe('accepted')
  })

  it.each(['send.before', 'send.afterBytes', 'send.afterAnswer'] as const)('rejects at %s=throw', async (point) => {
    await expect(setup(point, 'throw').send('POISON')).rejects.toThrow('failpoint')
  })

  it('kills after the bytes, while the answer is awaited', async () => {
    const { provider, clock, sent, killed } = setup('send.afterBytes', 'kill')
    const sending = provider.send(aClaim(undefined, { content: 'POISON' }), new AbortController().signal)
    await settle()
    expect([sent.length, killed.count]).toEqual([1, 0])
    await clock.advance(5)
    expect([killed.count, await stateOf(sending)]).toEqual([1, 'pending'])
  })
})

describe('a failing connection', () => {
  function setup(point: FailpointName, action: Action) {
    const world = failpointsOf([rule(point, action)])
    const fake = new FakeOutlet('main', world.clock)
    fake.repeatable = true
    fake.buckets = [{ kind: 'concurrency', limit: 2 }]
    let closed = 0
    const opened = Object.assign(fake, { close: () => void closed++ })
    return { ...world, fake, outlet: failingOutlet(opened, world.failpoints), closed: () => closed }
  }
  const { signal } = new AbortController()

  it.each([
    ['send.before', 'transient', 0],
    ['send.afterBytes', 'ambiguous', 1],
    ['send.afterAnswer', 'ambiguous', 1],
  ] as const)('at %s=drop gives %s with %i requests out', async (point, expected, count) => {
    const { outlet, fake } = setup(point, 'drop')
    expect((await outlet.send(aClaim(), signal)).class).toBe(expected)
    expect(fake.sends).toHaveLength(count)
  })

  it('is otherwise the connection that it stands before', async () => {
    const { outlet, fake, closed } = setup('claim.before', 'kill')
    expect(outlet).toMatchObject({ id: 'main', connector: 'fake@1', repeatable: true, buckets: fake.buckets })
    expect([outlet.segments(aClaim()), await outlet.probe(signal)]).toEqual([1, null])
    expect((await outlet.send(aClaim(), signal)).class).toBe('accepted')
    await outlet.close()
    expect(closed()).toBe(1)
  })

  it('ends the process before the request goes out', async () => {
    const { outlet, fake, killed } = setup('send.before', 'kill')
    expect(await stateOf(outlet.send(aClaim(), signal))).toBe('pending')
    expect([killed.count, fake.sends.length]).toEqual([1, 0])
  })
})

describe('a failing stop', () => {
  function setup(name: string, action: Action) {
    const world = failpointsOf([rule('stop.scan', action)])
    let stops = 0
    const component = { name, start: () => Promise.resolve(), stop: async () => void stops++ }
    return { ...world, stopping: failingStop(component, world.failpoints), stops: () => stops }
  }

  it('is skipped, fails, or ends the process, once however often it is asked for', async () => {
    const dropped = setup('scan', 'drop')
    await dropped.stopping.stop()
    expect(dropped.stops()).toBe(0)
    await expect(setup('scan', 'throw').stopping.stop()).rejects.toThrow('failpoint stop.scan')
    const killed = setup('scan', 'kill')
    void killed.stopping.stop()
    void killed.stopping.stop()
    await settle()
    expect([killed.killed.count, killed.stops()]).toEqual([1, 0])
  })

  it('leaves other components as they are', async () => {
    const { stopping, stops } = setup('figures', 'drop')
    await stopping.stop()
    expect(stops()).toBe(1)
  })
})
