import { describe, expect, it } from 'vitest'
import type { Envelope } from '../port/broker.ts'
import { anId } from '../testkit/builders.ts'
import { withShortcut } from './shortcut.ts'

const lane = { channel: 'SMS', priority: 'HIGH' } as const
const envelope: Envelope = { lane, refs: [1, 2].map((leaseToken) => ({ id: anId(), leaseToken })) }

function setup() {
  const published: Envelope[] = []
  const shortcut = withShortcut({
    async publish(one) {
      published.push(one)
      return 'unconfirmed'
    },
  })
  return { shortcut, published }
}

describe('the short way', () => {
  it('is not there without a worker in the process', async () => {
    const { shortcut, published } = setup()
    expect(await shortcut.publish(envelope)).toBe('unconfirmed')
    expect(published).toEqual([envelope])
  })

  it('spares the broker what the worker takes, and only that', async () => {
    const { shortcut, published } = setup()
    let room = 2
    shortcut.attach({ take: ({ refs }) => Math.min(room, refs.length) })
    expect(await shortcut.publish(envelope)).toBe('confirmed')
    expect(published).toEqual([])
    room = 1
    expect(await shortcut.publish(envelope)).toBe('unconfirmed')
    expect(published).toEqual([{ ...envelope, refs: envelope.refs.slice(1) }])
    room = 0
    await shortcut.publish(envelope)
    expect(published.at(-1)).toEqual(envelope)
  })

  it('hands over to the broker what the worker gives back', async () => {
    const { shortcut, published } = setup()
    shortcut.attach({
      take(given, giveBack) {
        queueMicrotask(() => giveBack(given))
        return given.refs.length
      },
    })
    await shortcut.publish(envelope)
    expect(published).toEqual([envelope])
  })
})
