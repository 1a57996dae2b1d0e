import type { Channel } from '../domain/notification.ts'
import type { Permits, RateLimiter } from '../port/rate-limiter.ts'

/**
 * Send permits of one channel. Permits whose references turned out to be stale copies serve the next batch: they
 * are taken already, and throwing them away would leave rate unused. They are not kept past a pause in the work, or
 * they would come on top of a full burst later.
 */
export class SendPermits {
  readonly #limiter: RateLimiter
  readonly #channel: Channel
  #spare = 0

  constructor(limiter: RateLimiter, channel: Channel) {
    this.#limiter = limiter
    this.#channel = channel
  }

  async take(wanted: number): Promise<Permits> {
    const own = Math.min(this.#spare, wanted)
    this.#spare -= own
    if (own === wanted) return { granted: own, retryAfterMs: 0, degraded: false }
    const asked = await this.#limiter.take('send', this.#channel, wanted - own)
    return { ...asked, granted: own + asked.granted }
  }

  putBack(unused: number): void {
    this.#spare += unused
  }

  /** Called when no work is left. */
  forget(): void {
    this.#spare = 0
  }
}
