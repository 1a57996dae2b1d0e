import { describe, expect, it } from 'vitest'
import { DependencyUnavailableError } from '../domain/errors.ts'
import type { DeferredReference } from '../port/notification-store.ts'
import { anId } from '../testkit/builders.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { quietLogger } from '../testkit/services/quiet-logger.ts'
import { makeHandBack } from './hand-back.ts'

const refs = Array.from({ length: 2_500 }, (_, index) => ({ id: anId(), leaseToken: index }))

describe('handing back what goes down with the process', () => {
  it('makes every row due now, under its own token, in groups', async () => {
    const groups: (readonly DeferredReference[])[] = []
    const defer = async (group: readonly DeferredReference[]) => {
      groups.push(group)
      return group.map(({ id }) => id)
    }
    await makeHandBack({ store: { defer }, logger: quietLogger, clock: new ManualClock() })(refs)
    expect(groups.map(({ length }) => length)).toEqual([1_000, 1_000, 500])
    expect(groups.flat()).toEqual(refs.map((ref) => ({ ...ref, delayMs: 0 })))
  })

  it('takes no more than its part of the stop', async () => {
    const clock = new ManualClock()
    let calls = 0
    const defer = async () => {
      calls++
      await clock.advance(2_000)
      return []
    }
    await makeHandBack({ store: { defer }, logger: quietLogger, clock })(refs)
    expect(calls).toBe(2)
  })

  it('gives up at the first failure, without failing the stop', async () => {
    let calls = 0
    const defer = async () => {
      calls++
      throw new DependencyUnavailableError('postgres', 'away')
    }
    await makeHandBack({ store: { defer }, logger: quietLogger, clock: new ManualClock() })(refs)
    expect(calls).toBe(1)
  })
})
