import { CircuitState, CountBreaker } from 'cockatiel'

/** More than half of the last 20 sends failed, and at least 5 were made: a single lost message opens no breaker. */
const rule = { threshold: 0.5, size: 20, minimumNumberOfCalls: 5 } as const

/** Counts how sends over one connection end. By number and not by time: a quiet connection fails as well. */
export function makeFailureCounter() {
  const breaker = new CountBreaker(rule)
  return {
    success: () => breaker.success(CircuitState.Closed),
    /** @returns whether sends fail too often now. */
    failure: () => breaker.failure(CircuitState.Closed),
  }
}
