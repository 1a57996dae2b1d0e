import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../port/clock.ts'

/** A longer timer would fire at once: the runtime counts milliseconds in 31 bits. 24.8 days are as good as for ever. */
const timerMaxMs = 2 ** 31 - 1

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted()
    try {
      await delay(Math.min(ms, timerMaxMs), undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      throw signal?.aborted ? signal.reason : error
    }
  },
  timeout(ms) {
    const abort = new AbortController()
    const expire = () => abort.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'))
    const timer = setTimeout(expire, Math.min(ms, timerMaxMs))
    return { signal: abort.signal, clear: () => clearTimeout(timer) }
  },
  after(ms, act) {
    const timer = setTimeout(act, Math.min(ms, timerMaxMs))
    return () => clearTimeout(timer)
  },
  endOfTurn: (action) => void setImmediate(action),
}
