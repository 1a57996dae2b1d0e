export interface EventuallyOptions {
  /** Give up after this long; default 5,000 ms. */
  readonly withinMs?: number
  /** Pause between two tries; default 20 ms. */
  readonly everyMs?: number
}

/**
 * Tries `check` until it neither throws nor returns false; for real servers, where no clock can be moved by hand.
 * @returns what `check` returned at last.
 * @throws what `check` threw at last, once `withinMs` are over.
 */
export async function eventually<T>(check: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<T> {
  const { withinMs = 5_000, everyMs = 20 } = options
  const deadlineMs = performance.now() + withinMs
  for (;;) {
    try {
      const value = await check()
      if (value !== false) return value
      throw new Error('the check is still false')
    } catch (error) {
      if (performance.now() >= deadlineMs) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
