import type { Clock } from '../port/clock.ts'
import type { Component } from './component.ts'

/**
 * A background loop: `tick`, pause, `tick` … Never overlapping, always stoppable; the first tick comes at once.
 * @param intervalMs pause between the end of one tick and the begin of the next.
 * @param tick gets a signal that aborts at `stop`; whatever it throws goes to `onError` and does not end the loop.
 */
export function makePoller(
  name: string,
  intervalMs: number,
  clock: Pick<Clock, 'sleep'>,
  tick: (signal: AbortSignal) => Promise<void>,
  onError: (error: unknown) => void,
): Component {
  const abort = new AbortController()
  let loop: Promise<void> | null = null

  async function run(): Promise<void> {
    while (!abort.signal.aborted) {
      try {
        await tick(abort.signal)
      } catch (error) {
        if (!abort.signal.aborted) onError(error) // what a stopping tick throws is the stop itself
      }
      await clock.sleep(intervalMs, abort.signal).catch(() => undefined) // stop() wakes it
    }
  }

  function start(): Promise<void> {
    loop ??= run()
    return Promise.resolve()
  }

  /** Ends the pause and waits for the tick in hand. A stopped poller does not start again. */
  async function stop(): Promise<void> {
    abort.abort(new DOMException(`${name} is stopping`, 'AbortError'))
    await loop
  }

  return { name, start, stop }
}
