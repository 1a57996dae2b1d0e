/**
 * The generic cell rate algorithm: one number per bucket, the theoretical arrival time (TAT) of the next permit, says
 * everything. In every window of T seconds, grants <= rate × T + burst; a fixed window would let twice the rate pass
 * over its boundary. Times are whole microseconds, so that every implementation reckons alike.
 */
export interface GcraRule {
  /** Microseconds between two permits in the long run; rounded up, so never faster than asked. */
  readonly intervalUs: number
  /** Permits that may be granted at once, >= 1. */
  readonly burst: number
}

export interface GcraTake {
  /** 0 … wanted. */
  readonly granted: number
  /** What to remember for the next take. */
  readonly tatUs: number
  /** Microseconds until one more can be had; 0 when all were granted. */
  readonly retryAfterUs: number
}

/**
 * @param limit `perSecond` > 0 (0 means "off" to the callers, who then need no rule); `burst` is brought to >= 1.
 * @throws RangeError when `perSecond` is not above 0: a caller's bug.
 */
export function gcraRule(limit: { readonly perSecond: number; readonly burst: number }): GcraRule {
  if (!(limit.perSecond > 0)) throw new RangeError(`perSecond must be > 0, got ${limit.perSecond}`)
  return { intervalUs: Math.ceil(1_000_000 / limit.perSecond), burst: Math.max(1, Math.floor(limit.burst)) }
}

/**
 * Takes up to `wanted` permits at `nowUs`; as many as fit are granted, the rest is refused.
 * @param tatUs what the last take left, null for a bucket never used. It is brought into what this rule can have left,
 *   so that a clock set back or a rate just raised does not block the bucket for long.
 */
export function takePermits(rule: GcraRule, tatUs: number | null, nowUs: number, wanted: number): GcraTake {
  const windowUs = rule.intervalUs * rule.burst
  const startUs = Math.min(Math.max(tatUs ?? nowUs, nowUs), nowUs + windowUs)
  const fitting = Math.floor((nowUs + windowUs - startUs) / rule.intervalUs)
  const granted = Math.min(wanted, fitting)
  const endUs = startUs + granted * rule.intervalUs
  const retryAfterUs = granted < wanted ? Math.max(0, endUs + rule.intervalUs - nowUs - windowUs) : 0
  return { granted, tatUs: endUs, retryAfterUs }
}

/** Most permits that one take of {@link takeAllPermits} may cost; what costs more is counted as this. */
export const costMax = 100

/**
 * Takes `cost` permits at `nowUs`, or none and says how long to wait. More than the burst is granted once the bucket is
 * full, and paid off afterwards: so a long message passes a bucket whose burst is smaller than what it costs.
 * @param tatUs as in {@link takePermits}; what such a message left to be paid off is kept.
 */
export function takeAllPermits(
  rule: GcraRule,
  tatUs: number | null,
  nowUs: number,
  cost: number,
): { readonly waitUs: number; readonly tatUs: number } {
  const windowUs = rule.intervalUs * rule.burst
  const costUs = rule.intervalUs * Math.min(Math.max(cost, 1), costMax)
  const startUs = Math.min(Math.max(tatUs ?? nowUs, nowUs), nowUs + Math.max(windowUs, rule.intervalUs * costMax))
  const waitUs = Math.max(0, startUs + costUs - nowUs - Math.max(windowUs, costUs))
  return waitUs > 0 ? { waitUs, tatUs: startUs } : { waitUs, tatUs: startUs + costUs }
}
