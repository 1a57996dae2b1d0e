import { describe, expect, it } from 'vitest'
import { DependencyUnavailableError, OverloadedError } from '../domain/errors.ts'
import type { Channel, NewNotification } from '../domain/notification.ts'
import type { Delivery } from '../port/broker.ts'
import { aNotification, anId } from '../testkit/builders.ts'
import { ManualClock, settle } from '../testkit/manual-clock.ts'
import { ModelStore } from '../testkit/model-store.ts'
import { RecordingTelemetry, silentLogger } from '../testkit/telemetry.ts'
import { makeAccept } from './accept.ts'
import type { Deliver } from './deliver.ts'
import { makePublish } from './publish.ts'
import { unsettledMax } from './send-slots.ts'
import { makeWorker } from './worker.ts'

type Fault = 'before' | 'after' | 'refused'

interface World {
  readonly concurrency?: number
  readonly unpaced?: readonly Channel[]
  /** Of the first accept statements, one each. */
  readonly faults?: Fault[]
}

/** Accept and worker of one process over one store; sends end when they are told to. */
async function setup({ concurrency = 2, unpaced = ['SMS', 'PUSH'], faults = [] }: World = {}) {
  const clock = new ManualClock()
  const store = new ModelStore(() => clock.monotonicMs())
  const sent: string[] = []
  const givenBack: string[] = []
  const published: string[] = []
  const ends: (() => void)[] = []
  const deliver: Deliver = async (claimed, { stopping, onSent }) => {
    ;(stopping ? givenBack : sent).push(claimed.content)
    if (!stopping) await new Promise<void>((resolve) => ends.push(resolve))
    onSent()
  }
  const broker = {
    async publish({ refs }: { readonly refs: readonly { readonly id: string }[] }) {
      published.push(...refs.map(({ id }) => store.rows.get(id)?.id ?? ''))
      return 'confirmed' as const
    },
    consume: (options: { readonly onDelivery: (delivery: Delivery) => void }) => {
      deliverOne = options.onDelivery
      return { stop: async () => undefined }
    },
  }
  let deliverOne: (delivery: Delivery) => void = () => undefined
  const telemetry = new RecordingTelemetry()
  const common = { clock, telemetry, logger: silentLogger, wakeScanIn: () => undefined }
  const failing = {
    findByIds: store.findByIds.bind(store),
    async accept(...args: Parameters<ModelStore['accept']>) {
      const fault = faults.shift()
      if (fault === 'refused') throw new OverloadedError('full')
      if (fault === 'before') throw new DependencyUnavailableError('postgres', 'gone')
      const results = await store.accept(...args)
      if (fault === 'after') throw new DependencyUnavailableError('postgres', 'gone')
      return results
    },
  }
  const worker = makeWorker(
    {
      ...common,
      store,
      broker,
      deliver,
      rateLimiter: {
        take: async (_purpose, _channel, wanted) => ({ granted: wanted, retryAfterMs: 0, degraded: false }),
      },
    },
    { concurrency, leaseMs: 60_000, owner: 'p1', unpaced: new Set(unpaced) },
  )
  await worker.start()
  const accept = makeAccept(
    { ...common, store: failing, publish: makePublish({ broker }), starter: worker, newId: anId, hash: (text) => text },
    { maxInFlight: 1, maxWaitingRows: 1_000 },
  )
  const acceptAll = async (contents: readonly string[], change: Partial<NewNotification> = {}) => {
    const items = contents.map((content) => aNotification({ ...change, content }))
    const { notifications } = await accept({ tenant: 'default', kind: 'batch', items, traceparent: null })
    await settle()
    return notifications.map(({ notification }) => notification.status)
  }
  const endSend = async () => {
    ends.shift()?.()
    await settle()
  }
  const statuses = () => [...store.rows.values()].map(({ status }) => status)
  const offer = (refs: Delivery['refs'], priority: 'HIGH' | 'NORMAL' = 'NORMAL') => {
    deliverOne({ lane: { channel: 'SMS', priority }, refs, ack: () => undefined, requeue: () => undefined })
  }
  return { clock, store, worker, acceptAll, endSend, statuses, offer, sent, givenBack, published }
}

describe('a head start', () => {
  it('sends what was accepted without a message and without a claim of its own', async () => {
    const { acceptAll, sent, published, store } = await setup()
    expect(await acceptAll(['a', 'b'])).toEqual(['QUEUED', 'QUEUED'])
    expect(sent).toEqual(['a', 'b'])
    expect(published).toEqual([])
    expect([...store.rows.values()]).toMatchObject([
      { status: 'SENDING', leaseToken: 1, leaseOwner: 'p1#1' },
      { status: 'SENDING', leaseToken: 1, leaseOwner: 'p1#1' },
    ])
  })

  it('lets as many wait for a slot as there are slots, and publishes the others', async () => {
    const { acceptAll, endSend, sent, published, statuses } = await setup({ concurrency: 2 })
    await acceptAll(['a', 'b', 'c', 'd', 'e', 'f'])
    expect(sent).toEqual(['a', 'b'])
    expect(published).toHaveLength(2)
    expect(statuses().filter((status) => status === 'SENDING')).toHaveLength(4)
    await endSend()
    await endSend()
    expect(sent).toEqual(['a', 'b', 'c', 'd'])
  })

  it('lets the urgent pass the others that wait for a slot', async () => {
    const { acceptAll, endSend, sent } = await setup({ concurrency: 2 })
    await acceptAll(['a', 'b', 'c'])
    await acceptAll(['now'], { priority: 'HIGH' })
    await endSend()
    expect(sent).toEqual(['a', 'b', 'now'])
  })

  it('of more rows than may be unsettled is sent all the same', async () => {
    const { acceptAll, endSend, sent } = await setup({ concurrency: unsettledMax / 2 })
    await acceptAll(Array.from({ length: unsettledMax }, () => 'a'))
    expect(sent).toHaveLength(unsettledMax / 2)
    await endSend()
    expect(sent).toHaveLength(unsettledMax / 2 + 1)
  })

  it('is not given while the broker holds a backlog, where a limit paces the channel, or before the time', async () => {
    const { acceptAll, clock, offer, published, store } = await setup({ concurrency: 2, unpaced: ['SMS'] })
    await acceptAll(['paced'], { channel: 'PUSH' })
    expect(published).toHaveLength(1)
    await acceptAll(['later'], { scheduledAt: new Date(clock.monotonicMs() + 60_000) })
    expect([...store.rows.values()].at(-1)).toMatchObject({ status: 'ACCEPTED' })
    const waiting = store.add({ channel: 'SMS', priority: 'NORMAL' }, 5)
    offer(waiting)
    await settle()
    await acceptAll(['behind them'])
    expect(published).toHaveLength(2)
  })

  it.each<readonly [string, Fault[]]>([
    ['the statement took effect', ['after']],
    ['the statement never arrived', ['before']],
  ])('whose answer was lost is sent once when %s', async (_name, faults) => {
    const { acceptAll, sent, published, statuses } = await setup({ faults })
    expect(await acceptAll(['a'])).toEqual(['QUEUED'])
    expect(sent).toEqual(['a'])
    expect(published).toEqual([])
    expect(statuses()).toEqual(['SENDING'])
  })

  it.each<readonly [string, Fault[], readonly string[]]>([
    ['is sent when it was stored', ['after', 'before'], ['a']],
    ['leaves nothing behind when it was not', ['before', 'before'], []],
    ['leaves nothing behind when it was refused', ['refused'], []],
  ])('of a request that failed %s', async (_name, faults, expected) => {
    const { acceptAll, sent } = await setup({ concurrency: 1, faults })
    await expect(acceptAll(['a'])).rejects.toThrow()
    await settle()
    expect(sent).toEqual(expected)
    if (expected.length > 0) return
    await acceptAll(['b', 'c'])
    expect(sent).toEqual(['b'])
  })

  it('does not keep references from their slots, however many rows are accepted', async () => {
    const { acceptAll, endSend, offer, sent, store } = await setup({ concurrency: 4 })
    await acceptAll(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
    offer(store.add({ channel: 'SMS', priority: 'NORMAL' }, 4))
    for (let end = 0; end < 12; end++) {
      await endSend()
      await acceptAll(['x'])
    }
    expect(sent.filter((content) => content === 'hello')).toHaveLength(4)
    expect(sent.filter((content) => content === 'x').length).toBeGreaterThan(2)
  })

  it('is given back when the worker stops, also one whose accept is still under way', async () => {
    const { acceptAll, endSend, worker, sent, givenBack } = await setup({ concurrency: 1 })
    await acceptAll(['a', 'b'])
    const late = acceptAll(['c'])
    const stopped = worker.stop()
    await late
    await endSend()
    await stopped
    expect(sent).toEqual(['a'])
    expect(givenBack).toContain('b')
    expect(worker.inFlight()).toBe(0)
  })
})
