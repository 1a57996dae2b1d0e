import { describe, expect, it } from 'vitest'
import type { Clock } from '../clock.ts'

export interface ClockHarness {
  readonly clock: Clock
  /** Lets time pass: a manual clock moves, a real one is waited for. */
  readonly pass: (ms: number) => Promise<void>
}

/** A real timer may fire this much before the finer monotonic clock agrees. */
const timerGrainMs = 1

/** What every {@link Clock} must do. */
export function clockConformance(name: string, open: () => ClockHarness): void {
  describe(`${name} keeps the clock's contract`, () => {
    it('moves wall time and monotonic time alike', async () => {
      const { clock, pass } = open()
      const before = { wallMs: clock.now().getTime(), monotonicMs: clock.monotonicMs() }
      await pass(20)
      expect(clock.now().getTime() - before.wallMs).toBeGreaterThanOrEqual(20 - timerGrainMs)
      expect(clock.monotonicMs() - before.monotonicMs).toBeGreaterThanOrEqual(20 - timerGrainMs)
    })

    it('sleeps until the time is over, and no shorter', async () => {
      const { clock, pass } = open()
      const startMs = clock.monotonicMs()
      const woken: number[] = []
      const sleeping = clock.sleep(15).then(() => woken.push(clock.monotonicMs()))
      expect(woken).toEqual([])
      await pass(15)
      await sleeping
      expect(woken[0]).toBeGreaterThanOrEqual(startMs + 15 - timerGrainMs)
    })

    it('wakes sleepers in the order of their times', async () => {
      const { clock, pass } = open()
      const woken: string[] = []
      const both = Promise.all([
        clock.sleep(40).then(() => woken.push('late')),
        clock.sleep(5).then(() => woken.push('early')),
      ])
      await pass(40)
      await both
      expect(woken).toEqual(['early', 'late'])
    })

    it('ends a sleep at once, with the reason, when its signal aborts', async () => {
      const { clock } = open()
      const abort = new AbortController()
      const reason = new Error('enough')
      const sleeping = clock.sleep(60_000, abort.signal)
      abort.abort(reason)
      await expect(sleeping).rejects.toBe(reason)
    })

    it('does not begin a sleep whose signal has aborted', async () => {
      const { clock } = open()
      const reason = new Error('too late')
      await expect(clock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason)
    })

    it('aborts a timeout with a TimeoutError when its time is over', async () => {
      const { clock, pass } = open()
      const { signal } = clock.timeout(10)
      const aborted = new Promise<unknown>((resolve) => {
        signal.addEventListener('abort', () => resolve(signal.reason), { once: true })
      })
      expect(signal.aborted).toBe(false)
      await pass(10)
      expect(await aborted).toMatchObject({ name: 'TimeoutError' })
    })

    it('acts once when the time is over, and never when it was called off', async () => {
      const { clock, pass } = open()
      const acted: string[] = []
      const done = new Promise<void>((resolve) => {
        clock.after(10, () => {
          acted.push('due')
          resolve()
        })
      })
      clock.after(5, () => acted.push('called off'))()
      expect(acted).toEqual([])
      await pass(25)
      await done
      expect(acted).toEqual(['due'])
    })

    it('never aborts a timeout that was cleared', async () => {
      const { clock, pass } = open()
      const cleared = clock.timeout(5)
      cleared.clear()
      await pass(25)
      expect(cleared.signal.aborted).toBe(false)
    })
  })
}
