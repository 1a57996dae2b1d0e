/** Middle and edges of the figures that repeats gave. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** @throws RangeError when there is none. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  return { median: percentile(sorted, 50), min: percentile(sorted, 0), max: percentile(sorted, 100) }
}

/**
 * The value that `percent` of all values do not exceed (nearest rank); between the two middle ones for the median of an
 * even count.
 * @param sorted ascending. @param percent 0 to 100. @throws RangeError when there is no value.
 */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  // 99.9 % of 1,000 are 999, whatever binary fractions make of it.
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length - 1e-9))
  const value = sorted[rank - 1]
  if (value === undefined) throw new RangeError('a percentile needs at least one value')
  const next = sorted[rank]
  return percent === 50 && sorted.length % 2 === 0 && next !== undefined ? (value + next) / 2 : value
}

export interface Latency {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/**
 * Latency that does not leave out what a stall kept back (coordinated omission): it counts from the time at which a
 * request was meant to be sent, whenever it was sent. What was never received counts as received at `endedAt`.
 * @param scheduled when each request was meant to be sent. @param received when it came in, at the same index; 0 = not.
 * @throws RangeError when there is no request.
 */
export function latencyOf(scheduled: ArrayLike<number>, received: ArrayLike<number>, endedAt: number): Latency {
  const latencies = new Float64Array(scheduled.length)
  for (let index = 0; index < scheduled.length; index++) {
    latencies[index] = (received[index] || endedAt) - (scheduled[index] ?? endedAt)
  }
  latencies.sort()
  return {
    p50: percentile(latencies, 50),
    p95: percentile(latencies, 95),
    p99: percentile(latencies, 99),
    p999: percentile(latencies, 99.9),
    max: percentile(latencies, 100),
  }
}
