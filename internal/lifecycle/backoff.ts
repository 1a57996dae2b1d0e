/** Pause between two tries to reach a dependency. */
export interface BackoffPolicy {
  /** Never shorter, so that a lucky draw is not a busy loop. */
  readonly minMs: number
  /** Upper bound of the first pause; doubles with every failure. */
  readonly baseMs: number
  readonly maxMs: number
}

/**
 * Exponential back-off with full jitter: uniform between `minMs` and `min(maxMs, baseMs × 2^(failures − 1))`, so that
 * replicas that lost one server together do not come back together.
 * @param failures 1-based count of failures in a row; anything below counts as 1.
 * @param random uniform in [0, 1).
 * @returns whole milliseconds.
 */
export function backoffMs(policy: BackoffPolicy, failures: number, random: () => number): number {
  const doublings = Math.min(Math.max(failures, 1) - 1, 52) // beyond 2^52 the product means nothing; the cap is long reached
  const ceilingMs = Math.max(policy.minMs, Math.min(policy.maxMs, policy.baseMs * 2 ** doublings))
  return policy.minMs + Math.floor(random() * (ceilingMs - policy.minMs + 1))
}
