import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { attemptOutcome, budgetUsed, decideOutcome, retryAfterMaxMs, type SendResult } from './outcome.ts'
import { retryDelayMs } from './retry-policy.ts'

const policy = { baseDelayMs: 1_000, maxDelayMs: 60_000, maxJitterMs: 250 }
const answer = { statusCode: 503, responseExcerpt: null, code: 'http_503', message: 'unavailable' }
const transient: SendResult = { kind: 'transient', retryAfterMs: null, ...answer }
const unknown: SendResult = { kind: 'unknown', ...answer }
const config: SendResult = { kind: 'config', ...answer }
const quota = (retryAfterMs: number | null): SendResult => ({ kind: 'quota_exhausted', retryAfterMs, ...answer })
const limited = (retryAfterMs: number | null): SendResult => ({ kind: 'rate_limited', retryAfterMs, ...answer })

/** A fresh generation: attempt k of n, of which `limits` burned nothing. */
const anyBudget = fc
  .tuple(fc.integer({ min: 1, max: 100 }), fc.nat(20), fc.nat(100))
  .chain(([maxRetries, limits, earlier]) =>
    fc.integer({ min: 1, max: maxRetries }).map((used) => ({
      maxRetries,
      used,
      maxAttempts: earlier + maxRetries + limits,
      attempt: earlier + limits + used,
    })),
  )

describe('retry delay', () => {
  it('doubles from the base, is capped, and carries at most the jitter', () => {
    const without = [1, 2, 3, 4, 5, 6, 7, 8].map((used) => retryDelayMs(policy, used, () => 0))
    expect(without).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
    expect(retryDelayMs(policy, 1, () => 0.999_999)).toBe(1_250)
  })

  it('never falls and stays a whole number of milliseconds within its bounds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (used, at) => {
          const delay = retryDelayMs(policy, used, () => at)
          expect(Number.isInteger(delay)).toBe(true)
          expect(delay).toBeGreaterThanOrEqual(policy.baseDelayMs)
          expect(delay).toBeLessThanOrEqual(policy.maxDelayMs + policy.maxJitterMs)
          expect(retryDelayMs(policy, used + 1, () => 0)).toBeGreaterThanOrEqual(retryDelayMs(policy, used, () => 0))
        },
      ),
    )
  })

  it('refuses an attempt below 1', () => {
    expect(() => retryDelayMs(policy, 0, () => 0)).toThrow(RangeError)
  })
})

describe('outcome', () => {
  it('counts only attempts that burned budget, whatever came before this generation', () => {
    fc.assert(
      fc.property(anyBudget, (budget) => {
        expect(budgetUsed(budget)).toBe(budget.used)
      }),
    )
  })

  it('a failure for now is retried until the budget is spent, then the notification is exhausted', () => {
    fc.assert(
      fc.property(anyBudget, fc.constantFrom(transient, unknown), (budget, result) => {
        const decision = decideOutcome(budget, result, policy, () => 0)
        if (budget.used < budget.maxRetries) {
          expect(decision).toEqual({
            kind: 'retry',
            afterMs: retryDelayMs(policy, budget.used, () => 0),
            burnsBudget: true,
          })
        } else expect(decision).toEqual({ kind: 'failed', reason: 'retry_exhausted' })
      }),
    )
  })

  it('a rate limit burns no budget, even on the last attempt, and waits as long as asked', () => {
    fc.assert(
      fc.property(anyBudget, fc.nat(10_000_000), (budget, askedMs) => {
        const decision = decideOutcome(budget, limited(askedMs), policy, () => 0)
        if (decision.kind !== 'retry') throw new Error(`got ${decision.kind}`)
        expect(decision.burnsBudget).toBe(false)
        expect(decision.afterMs).toBeGreaterThanOrEqual(Math.min(askedMs, retryAfterMaxMs))
      }),
    )
  })

  it('Retry-After is honoured up to one hour and never shortens the back-off', () => {
    const budget = { attempt: 1, maxAttempts: 5, maxRetries: 5 }
    const after = (retryAfterMs: number) => decideOutcome(budget, { ...transient, retryAfterMs }, policy, () => 0)
    expect(after(7_000)).toMatchObject({ afterMs: 7_000 })
    expect(after(10)).toMatchObject({ afterMs: 1_000 })
    expect(after(9_000_000)).toMatchObject({ afterMs: 3_600_000 })
  })

  it('accepted is sent and permanent fails at once, whatever budget is left', () => {
    fc.assert(
      fc.property(anyBudget, (budget) => {
        const accepted: SendResult = {
          kind: 'accepted',
          providerMessageId: 'm',
          statusCode: 200,
          responseExcerpt: null,
        }
        expect(decideOutcome(budget, accepted, policy, () => 0)).toEqual({ kind: 'sent' })
        const permanent: SendResult = { kind: 'permanent', ...answer }
        expect(decideOutcome(budget, permanent, policy, () => 0)).toEqual({ kind: 'failed', reason: 'permanent_error' })
      }),
    )
  })

  it('a spent account and a wrong connection burn no budget', () => {
    fc.assert(
      fc.property(anyBudget, fc.constantFrom(quota(5_000_000), quota(null), config), (budget, result) => {
        expect(decideOutcome(budget, result, policy, () => 0)).toMatchObject({ kind: 'retry', burnsBudget: false })
      }),
    )
    const budget = { attempt: 1, maxAttempts: 1, maxRetries: 1 }
    const after = (result: SendResult) => decideOutcome(budget, result, policy, () => 0)
    expect(after(quota(5_000_000))).toMatchObject({ afterMs: 5_000_000 })
    expect(after(quota(900_000_000))).toMatchObject({ afterMs: 86_400_000 })
    expect(after(quota(null))).toMatchObject({ afterMs: 900_000 })
    expect(after(config)).toMatchObject({ afterMs: 60_000 })
  })

  it('what only one connection waits for is not waited for when another can take it, but the back-off is', () => {
    const budget = { attempt: 2, maxAttempts: 5, maxRetries: 5 }
    const elsewhere = (result: SendResult) => decideOutcome(budget, result, policy, () => 0, true)
    for (const result of [limited(7_000), quota(7_000), config]) expect(elsewhere(result)).toMatchObject({ afterMs: 0 })
    expect(elsewhere({ ...transient, retryAfterMs: 7_000 })).toMatchObject({ afterMs: 2_000, burnsBudget: true })
  })

  it('an unknown outcome is parked where a repeat could not be dropped, whatever budget is left', () => {
    fc.assert(
      fc.property(anyBudget, fc.boolean(), (budget, elsewhere) => {
        const decision = decideOutcome(budget, { ...unknown, repeatable: false }, policy, () => 0, elsewhere)
        expect(decision).toEqual({ kind: 'failed', reason: 'parked' })
      }),
    )
  })

  it('the attempt log says what the provider said', () => {
    expect([transient, unknown, limited(null), quota(null), config].map(attemptOutcome)).toEqual([
      'transient',
      'unknown',
      'rate_limited',
      'quota_exhausted',
      'config',
    ])
  })
})
