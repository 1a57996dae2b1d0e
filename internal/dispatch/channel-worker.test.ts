import { describe, expect, it } from 'vitest'
import { DependencyUnavailableError } from '../domain/errors.ts'
import type { Priority } from '../domain/notification.ts'
import { lookAgainMs } from '../domain/protocol.ts'
import type { Delivery, Reference } from '../port/broker.ts'
import type { Claimed, DeferredReference } from '../port/notification-store.ts'
import type { Permits } from '../port/rate-limiter.ts'
import { aClaim, anId } from '../testkit/builders.ts'
import { ManualClock, settle } from '../testkit/manual-clock.ts'
import { RecordingTelemetry, silentLogger } from '../testkit/telemetry.ts'
import { ChannelWorker } from './channel-worker.ts'

interface World {
  readonly concurrency?: number
  readonly take?: (wanted: number) => Permits
  readonly claim?: (refs: readonly Reference[], owner: string) => readonly Claimed[]
  /** Sends stay under way until `finishSend`. */
  readonly holdSends?: boolean
}

const all = (wanted: number): Permits => ({ granted: wanted, retryAfterMs: 0, degraded: false })

function setup(world: World = {}) {
  const clock = new ManualClock()
  const taken: number[] = []
  const claims: (readonly Reference[])[] = []
  const deferred: DeferredReference[] = []
  const sent: Claimed[] = []
  const givenBack: Claimed[] = []
  const ends: (() => void)[] = []
  let calls = 0
  const worker = new ChannelWorker(
    'SMS',
    {
      clock,
      telemetry: new RecordingTelemetry(),
      logger: silentLogger,
      wakeScanIn: () => undefined,
      rateLimiter: {
        async take(_purpose, _channel, wanted) {
          taken.push(wanted)
          return (world.take ?? all)(wanted)
        },
      },
      store: {
        async claim(refs, { owner }) {
          claims.push(refs)
          return (world.claim ?? ((some) => some.map((ref) => aClaim(ref))))(refs, owner)
        },
        async defer(refs) {
          deferred.push(...refs)
          return refs.map((ref) => ref.id)
        },
      },
      async deliver(claimed, { stopping, onSent }) {
        if (stopping) givenBack.push(claimed)
        else sent.push(claimed)
        if (world.holdSends === true && !stopping) await new Promise<void>((resolve) => ends.push(resolve))
        onSent()
      },
    },
    {
      concurrency: world.concurrency ?? 100,
      leaseMs: 60_000,
      newOwner: () => `test#${++calls}`,
      isUnpaced: false,
      readyMax: 100,
    },
  )
  const finishSend = async () => {
    ends.shift()?.()
    await settle()
  }
  return { worker, clock, taken, claims, deferred, sent, givenBack, finishSend }
}

function aDelivery(count: number, priority: Priority = 'NORMAL') {
  const log: string[] = []
  const delivery: Delivery = {
    lane: { channel: 'SMS', priority },
    refs: Array.from({ length: count }, () => ({ id: anId(), leaseToken: 0 })),
    ack: () => void log.push('ack'),
    requeue: () => void log.push('requeue'),
  }
  return { ...delivery, log }
}

describe('channel worker', () => {
  it('acknowledges a message once, when its last reference is settled', async () => {
    const { worker, finishSend, sent } = setup({ holdSends: true })
    const delivery = aDelivery(3)
    worker.offer(delivery)
    await settle()
    expect(sent).toHaveLength(3)
    await finishSend()
    await finishSend()
    expect(delivery.log).toEqual([])
    await finishSend()
    expect(delivery.log).toEqual(['ack'])
  })

  it('never has more sends under way than its slots', async () => {
    const { worker, finishSend, sent } = setup({ holdSends: true, concurrency: 2 })
    worker.offer(aDelivery(5))
    await settle()
    expect(sent).toHaveLength(2)
    await finishSend()
    expect(sent).toHaveLength(3)
    expect(worker.inFlight).toBe(2)
  })

  it('acknowledges stale copies, sends none of them, and uses their permits for the next batch', async () => {
    const { worker, taken, sent } = setup({ concurrency: 2, claim: (refs) => refs.slice(1).map((ref) => aClaim(ref)) })
    const delivery = aDelivery(4)
    worker.offer(delivery)
    await settle()
    expect(delivery.log).toEqual(['ack'])
    expect(sent.length).toBeLessThan(4)
    expect(taken.reduce((sum, one) => sum + one, 0)).toBeLessThan(4)
  })

  it('sends a reference once although two copies of it stand in one claim', async () => {
    const { worker, sent } = setup({ claim: (refs) => [...new Map(refs.map((ref) => [ref.id, aClaim(ref)])).values()] })
    const delivery = aDelivery(1)
    const [ref] = delivery.refs
    if (ref === undefined) throw new Error('one reference expected')
    worker.offer({ ...delivery, refs: [ref, ref] })
    await settle()
    expect(sent).toHaveLength(1)
    expect(delivery.log).toEqual(['ack'])
  })

  it('waits in place for a permit that is near, without claiming', async () => {
    const answers: Permits[] = [
      { granted: 1, retryAfterMs: 400, degraded: false },
      { granted: 1, retryAfterMs: 0, degraded: false },
    ]
    const { worker, clock, sent, claims, deferred } = setup({ take: (wanted) => answers.shift() ?? all(wanted) })
    worker.offer(aDelivery(2))
    await settle()
    expect(sent).toHaveLength(1)
    await clock.advance(399)
    expect(sent).toHaveLength(1)
    await clock.advance(1)
    expect(sent).toHaveLength(2)
    expect(claims.map((refs) => refs.length)).toEqual([1, 1])
    expect(deferred).toEqual([])
  })

  it('defers everything it holds when a permit is far, and acknowledges', async () => {
    const { worker, deferred, sent } = setup({
      concurrency: 2,
      take: () => ({ granted: 0, retryAfterMs: 2_000, degraded: true }),
    })
    const delivery = aDelivery(5)
    worker.offer(delivery)
    await settle()
    expect(sent).toEqual([])
    expect(deferred.map((one) => one.id).sort()).toEqual(delivery.refs.map((ref) => ref.id).sort())
    expect(new Set(deferred.map((one) => one.delayMs))).toEqual(new Set([2_000]))
    expect(delivery.log).toEqual(['ack'])
  })

  it('passes by copies that waited longer than the look-again time', async () => {
    const { worker, clock, sent, finishSend } = setup({ holdSends: true, concurrency: 1 })
    worker.offer(aDelivery(1))
    const old = aDelivery(3)
    worker.offer(old)
    await settle()
    await clock.advance(lookAgainMs)
    await finishSend()
    expect(sent).toHaveLength(1)
    expect(old.log).toEqual(['ack'])
  })

  it('tries again after a claim that PostgreSQL did not answer, and loses no slot', async () => {
    let calls = 0
    const { worker, clock, sent } = setup({
      concurrency: 3,
      claim: (refs) => {
        if (++calls === 1) throw new DependencyUnavailableError('postgres', 'away')
        return refs.map((ref) => aClaim(ref))
      },
    })
    const delivery = aDelivery(3)
    worker.offer(delivery)
    await settle()
    expect(sent).toEqual([])
    await clock.advance(500)
    expect(sent).toHaveLength(3)
    expect(delivery.log).toEqual(['ack'])
  })

  it('serves waiting high work first, and low still moves', async () => {
    const { worker, finishSend, sent } = setup({
      holdSends: true,
      concurrency: 1,
      claim: (refs) => refs.map((ref) => aClaim(ref, { priority: priorityOf.get(ref.id) ?? 'NORMAL' })),
    })
    const deliveries = [aDelivery(20, 'LOW'), aDelivery(20, 'HIGH')]
    const priorityOf = new Map(deliveries.flatMap((one) => one.refs.map((ref) => [ref.id, one.lane.priority])))
    for (const delivery of deliveries) worker.offer(delivery)
    await settle()
    for (let i = 0; i < 14; i++) await finishSend()
    const order = sent.slice(0, 14).map((one) => one.priority)
    expect(order.slice(0, 3)).toEqual(['HIGH', 'HIGH', 'HIGH'])
    expect(order.filter((one) => one === 'LOW')).toHaveLength(2)
  })

  it('keeps the shares of the lanes when permits come in small numbers', async () => {
    const { worker, clock, sent } = setup({
      take: (wanted) => ({ granted: Math.min(2, wanted), retryAfterMs: 100, degraded: false }),
      claim: (refs) => refs.map((ref) => aClaim(ref, { priority: priorityOf.get(ref.id) ?? 'NORMAL' })),
      concurrency: 16,
    })
    const deliveries = (['LOW', 'NORMAL', 'HIGH'] as const).map((priority) => aDelivery(100, priority))
    const priorityOf = new Map(deliveries.flatMap((one) => one.refs.map((ref) => [ref.id, one.lane.priority])))
    for (const delivery of deliveries) worker.offer(delivery)
    while (sent.length < 100) await clock.advance(100)
    const count = (priority: Priority) => sent.slice(0, 100).filter((one) => one.priority === priority).length
    expect([count('HIGH'), count('NORMAL'), count('LOW')]).toEqual([60, 30, 10])
  })

  it('an outage of PostgreSQL saves up no permits', async () => {
    let away = true
    const { worker, clock, taken } = setup({
      concurrency: 4,
      claim: (refs) => {
        if (away) throw new DependencyUnavailableError('postgres', 'away')
        return refs.map((ref) => aClaim(ref))
      },
    })
    worker.offer(aDelivery(20))
    await clock.advance(10_000)
    const takenWhileAway = taken.reduce((sum, one) => sum + one, 0)
    expect(takenWhileAway).toBeLessThanOrEqual(4)
    away = false
    await clock.advance(1_000)
    expect(taken.reduce((sum, one) => sum + one, 0)).toBe(20)
  })

  it('a repeated claim goes out under the same owner, another one under another', async () => {
    const owners: string[] = []
    const { worker, clock } = setup({
      concurrency: 1,
      claim: (refs, owner) => {
        owners.push(owner)
        if (owners.length === 1) throw new DependencyUnavailableError('postgres', 'answer lost')
        return refs.map((ref) => aClaim(ref))
      },
    })
    worker.offer(aDelivery(2))
    await clock.advance(2_000)
    expect(owners).toEqual(['test#1', 'test#1', 'test#2'])
  })

  it('a quiet worker begins nothing, keeps what arrives, and gives it back at stop', async () => {
    const { worker, sent } = setup()
    worker.quiesce()
    const delivery = aDelivery(2)
    worker.offer(delivery)
    await settle()
    expect([sent.length, delivery.log]).toEqual([0, []])
    await worker.stop()
    expect(delivery.log).toEqual(['requeue'])
  })

  it('stop finishes what is under way and gives back whole what was not begun', async () => {
    const { worker, finishSend, sent } = setup({ holdSends: true, concurrency: 2 })
    const delivery = aDelivery(3)
    const untouched = aDelivery(2)
    worker.offer(delivery)
    worker.offer(untouched)
    await settle()
    const stopped = worker.stop()
    expect(untouched.log).toEqual(['requeue'])
    expect(delivery.log).toEqual([])
    await finishSend()
    await finishSend()
    await stopped
    expect(sent).toHaveLength(2)
    expect(delivery.log).toEqual(['requeue'])
    const late = aDelivery(1)
    worker.offer(late)
    expect(late.log).toEqual(['requeue'])
  })
})
