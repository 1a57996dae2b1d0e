import type { AttemptOutcome } from './attempt.ts'
import { type RetryPolicy, retryDelayMs } from './retry-policy.ts'

interface ProviderAnswer {
  readonly statusCode: number | null
  readonly responseExcerpt: string | null
}

interface ProviderError extends ProviderAnswer {
  /** Stable, short, lower case with underscores (`http_503`, `timeout`, `connection_refused`). */
  readonly code: string
  /** For people; never holds recipient or content. */
  readonly message: string
}

/** What a provider said, before anybody decides what follows from it. */
export type SendResult =
  | ({ readonly kind: 'accepted'; readonly providerMessageId: string | null } & ProviderAnswer)
  /** Worth another try; nothing arrived, or the target said so. */
  | ({ readonly kind: 'transient'; readonly retryAfterMs: number | null } & ProviderError)
  /** The target asks for a pause; burns no budget. */
  | ({ readonly kind: 'rate_limited'; readonly retryAfterMs: number | null } & ProviderError)
  | ({ readonly kind: 'permanent' } & ProviderError)
  /** Bytes were written and no answer came: it may have arrived. Retried under the same key. */
  | ({ readonly kind: 'unknown' } & ProviderError)

/** What is stored for it. `exhausted` and `permanent` end the notification as FAILED. */
export type Decision =
  | { readonly kind: 'sent' }
  | { readonly kind: 'retry'; readonly afterMs: number; readonly burnsBudget: boolean }
  | { readonly kind: 'failed'; readonly reason: 'permanent_error' | 'retry_exhausted' }

/** `attempt` counts from 1 over all generations; `maxAttempts` is the last allowed attempt number. */
export interface Budget {
  readonly attempt: number
  readonly maxAttempts: number
  /** Attempt budget of one generation. */
  readonly maxRetries: number
}

/** Attempts of this generation that burned budget, the current one included; at least 1. */
export function budgetUsed({ attempt, maxAttempts, maxRetries }: Budget): number {
  return Math.max(1, maxRetries - (maxAttempts - attempt))
}

/** Longest wait a target may ask for (API contract: `Retry-After` is capped at 1 h). */
export const retryAfterMaxMs = 3_600_000

/**
 * What follows from a provider's answer. Pure: durations only, since the database's clock says when.
 * Expiry is not decided here: the row ends as `expired` in the database once its time is over.
 */
export function decideOutcome(budget: Budget, result: SendResult, policy: RetryPolicy, random: () => number): Decision {
  switch (result.kind) {
    case 'accepted':
      return { kind: 'sent' }
    case 'permanent':
      return { kind: 'failed', reason: 'permanent_error' }
    case 'rate_limited':
      // By the attempt's number, since the budget does not move: a target that goes on refusing is asked ever less often.
      return { kind: 'retry', afterMs: waitMs(budget.attempt, result.retryAfterMs, policy, random), burnsBudget: false }
    case 'transient':
    case 'unknown': {
      if (budget.attempt >= budget.maxAttempts) return { kind: 'failed', reason: 'retry_exhausted' }
      const asked = result.kind === 'transient' ? result.retryAfterMs : null
      return { kind: 'retry', afterMs: waitMs(budgetUsed(budget), asked, policy, random), burnsBudget: true }
    }
  }
}

/** The longer of our back-off and what the target asked for, the latter capped. */
function waitMs(backOffStep: number, askedMs: number | null, policy: RetryPolicy, random: () => number): number {
  return Math.max(retryDelayMs(policy, backOffStep, random), Math.min(askedMs ?? 0, retryAfterMaxMs))
}

const attemptOutcomeOf = {
  accepted: 'ok',
  transient: 'transient',
  rate_limited: 'rate_limited',
  permanent: 'permanent',
  unknown: 'unknown',
} as const satisfies Record<SendResult['kind'], AttemptOutcome>

export function attemptOutcome(result: SendResult): AttemptOutcome {
  return attemptOutcomeOf[result.kind]
}
