import { describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../testkit/manual-clock.ts'
import { makePoller } from './poller.ts'

function setup(tick: (signal: AbortSignal) => Promise<void>) {
  const clock = new ManualClock()
  const errors: unknown[] = []
  const poller = makePoller('test poller', 1_000, clock, tick, (error) => errors.push(error))
  return { clock, errors, poller }
}

describe('makePoller', () => {
  it('ticks at once, then once per interval', async () => {
    let ticks = 0
    const { clock, poller } = setup(async () => {
      ticks++
    })
    await poller.start()
    await settle()
    expect(ticks).toBe(1)
    await clock.advance(999)
    expect(ticks).toBe(1)
    await clock.advance(1)
    expect(ticks).toBe(2)
    await clock.advance(3_000)
    expect(ticks).toBe(5)
    await poller.stop()
  })

  it('never begins a tick while another is under way, however long it takes', async () => {
    let running = 0
    let most = 0
    const clock = new ManualClock()
    const poller = makePoller(
      'slow',
      10,
      clock,
      async (signal) => {
        most = Math.max(most, ++running)
        await clock.sleep(500, signal)
        running--
      },
      () => undefined,
    )
    await poller.start()
    await poller.start()
    await clock.advance(5_000)
    expect(most).toBe(1)
    await poller.stop()
  })

  it('goes on after a tick that fails, and reports it', async () => {
    let ticks = 0
    const { clock, errors, poller } = setup(() => {
      ticks++
      throw new Error(`tick ${ticks} failed`)
    })
    await poller.start()
    await clock.advance(1_000)
    expect(ticks).toBe(2)
    expect(errors).toMatchObject([{ message: 'tick 1 failed' }, { message: 'tick 2 failed' }])
    await poller.stop()
  })

  it('stops in the middle of its pause', async () => {
    let ticks = 0
    const { clock, poller } = setup(async () => {
      ticks++
    })
    await poller.start()
    await settle()
    await poller.stop()
    expect(clock.pending).toBe(0)
    await clock.advance(10_000)
    expect(ticks).toBe(1)
  })

  it('waits at stop for the tick in hand, whose signal aborts, and calls that no error', async () => {
    const { errors, poller } = setup(
      (signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    )
    await poller.start()
    await poller.stop()
    expect(errors).toEqual([])
  })

  it('may be stopped twice, or before it was started', async () => {
    let ticks = 0
    const { poller } = setup(async () => {
      ticks++
    })
    await poller.stop()
    await poller.stop()
    await poller.start()
    await settle()
    expect(ticks).toBe(0)
  })
})
