import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { anId } from '../testkit/builders.ts'
import { settle } from '../testkit/manual-clock.ts'
import { OpenEnvelope, ReadyList } from './ready-list.ts'

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

describe('the list of references that wait for a slot', () => {
  it('holds on to nothing that was taken', async () => {
    const list = new ReadyList()
    const seen: WeakRef<OpenEnvelope>[] = []
    const fill = () => {
      const delivery = {
        lane: { channel: 'SMS', priority: 'HIGH' } as const,
        refs: [{ id: anId(), leaseToken: 0 }],
        ack: () => undefined,
        requeue: () => undefined,
      }
      const envelope = new OpenEnvelope(delivery)
      seen.push(new WeakRef(envelope))
      for (const ref of delivery.refs) list.push({ ref, priority: 'HIGH', envelope, isOwn: false, receivedAtMs: 0 })
    }
    for (let count = 0; count < 10; count++) fill()
    expect(list.take(10)).toHaveLength(10)
    expect(list.size).toBe(0)
    await settle() // a WeakRef keeps its target for the turn in which it was made
    if (typeof collect !== 'function') throw new Error('the collector cannot be called')
    Reflect.apply(collect, undefined, [])
    expect(seen.filter((one) => one.deref() !== undefined)).toEqual([])
  })
})
