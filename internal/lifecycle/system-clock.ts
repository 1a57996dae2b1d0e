import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../port/clock.ts'

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted()
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      throw signal?.aborted ? signal.reason : error
    }
  },
  timeout(ms) {
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError')), ms)
    return { signal: abort.signal, clear: () => clearTimeout(timer) }
  },
}
