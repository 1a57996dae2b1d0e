/** Pause between two attempts. Defaults 1 s, 60 s and 250 ms come from the source system. */
export interface RetryPolicy {
  readonly baseDelayMs: number
  readonly maxDelayMs: number
  readonly maxJitterMs: number
}

export const maxJitterMsDefault = 250

/**
 * Delay before the next attempt: `base × 2^(used − 1)`, capped, plus jitter so that a burst of failures does not
 * return as a burst.
 * @param budgetUsed 1-based number of attempts of this generation that burned budget, the failed one included.
 * @param random uniform in [0, 1).
 * @returns whole milliseconds, from `min(base, max)` to `maxDelayMs + maxJitterMs`.
 * @throws RangeError when `budgetUsed` < 1: a caller's bug, never an input error.
 */
export function retryDelayMs(policy: RetryPolicy, budgetUsed: number, random: () => number): number {
  if (budgetUsed < 1) throw new RangeError(`budgetUsed must be >= 1, got ${budgetUsed}`)
  const jitterMs = Math.floor(random() * (policy.maxJitterMs + 1))
  return Math.min(policy.baseDelayMs * 2 ** (budgetUsed - 1), policy.maxDelayMs) + jitterMs
}
