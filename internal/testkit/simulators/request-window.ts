export interface WindowUse {
  readonly allowed: boolean
  readonly remaining: number
  readonly resetAt: Date
  /** Whole milliseconds until then, at least 1. */
  readonly resetAfterMs: number
}

/** Counts requests per key in fixed windows, the way providers do that tell their limit in headers. */
export class RequestWindow {
  readonly limit: number
  readonly #windowMs: number
  readonly #windows = new Map<string, { startMs: number; used: number }>()

  constructor(limit: number, windowMs: number) {
    this.limit = limit
    this.#windowMs = windowMs
  }

  take(key: string, now: Date): WindowUse {
    const nowMs = now.getTime()
    let window = this.#windows.get(key)
    if (window === undefined || nowMs >= window.startMs + this.#windowMs) {
      window = { startMs: nowMs, used: 0 }
      this.#windows.set(key, window)
    }
    const allowed = window.used < this.limit
    if (allowed) window.used += 1
    const resetMs = window.startMs + this.#windowMs
    return {
      allowed,
      remaining: this.limit - window.used,
      resetAt: new Date(resetMs),
      resetAfterMs: Math.max(1, resetMs - nowMs),
    }
  }
}
