import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { clockConformance } from '../port/conformance/clock.suite.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { systemClock } from './system-clock.ts'

clockConformance('systemClock', () => ({ clock: systemClock, pass: (ms) => delay(ms) }))
clockConformance('ManualClock', () => {
  const clock = new ManualClock()
  return { clock, pass: (ms) => clock.advance(ms) }
})

describe('systemClock', () => {
  it('does not wake at once from a sleep longer than a timer of the runtime can count', async () => {
    const abort = new AbortController()
    const woken: string[] = []
    const sleeping = systemClock.sleep(2 ** 40, abort.signal).then(() => woken.push('too early'))
    const timeout = systemClock.timeout(2 ** 40)
    await delay(20)
    expect(woken).toEqual([])
    expect(timeout.signal.aborted).toBe(false)
    timeout.clear()
    abort.abort(new Error('stop'))
    await expect(sleeping).rejects.toThrow('stop')
  })
})
