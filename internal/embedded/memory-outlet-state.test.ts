import { describe, expect, it } from 'vitest'
import { outletStateConformance } from '../port/conformance/outlet-state.suite.ts'
import { coolingRecipientsMax, halfOpenKeptMs } from '../port/outlet-state.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { MemoryOutletState } from './memory-outlet-state.ts'

outletStateConformance('memory', async () => {
  const clock = new ManualClock()
  const state = new MemoryOutletState(clock)
  return { state, other: state, pass: (ms) => clock.advance(ms), close: () => Promise.resolve() }
})

describe('memory outlet state', () => {
  it('closes a half-open breaker that nobody has cared for', async () => {
    const clock = new ManualClock()
    const state = new MemoryOutletState(clock)
    state.open('a', 3, 1_000)
    await clock.advance(halfOpenKeptMs)
    expect(await state.read(['a'])).toMatchObject([{ opens: 3 }])
    await clock.advance(1_000)
    expect(await state.read(['a'])).toMatchObject([{ opens: 0 }])
  })

  it('keeps a bound on recipients: those whose wait ends first go', async () => {
    const clock = new ManualClock()
    const state = new MemoryOutletState(clock)
    for (let at = 0; at <= coolingRecipientsMax; at++) state.cool('a', 60_000 + at, `r${at}`)
    const [standing] = await state.read(['a'])
    expect(standing?.coolingRecipients.size).toBe(coolingRecipientsMax)
    expect(standing?.coolingRecipients.has('r0')).toBe(false)
  })
})
