import type { AttemptOutcome } from './attempt.ts'
import type { FailureReason } from './notification.ts'
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
  /** The account at the target is spent until `retryAfterMs` from now; burns no budget. */
  | ({ readonly kind: 'quota_exhausted'; readonly retryAfterMs: number | null } & ProviderError)
  /** The connection is wrong, not the message; burns no budget. */
  | ({ readonly kind: 'config' } & ProviderError)
  | ({ readonly kind: 'permanent' } & ProviderError)
  /**
   * Bytes were written and no answer came: it may have arrived. Retried under the same key, unless `repeatable` is
   * false: then the target could not drop the repeat.
   */
  | ({ readonly kind: 'unknown'; readonly repeatable?: boolean } & ProviderError)

/** What is stored for it. */
export type Decision =
  | { readonly kind: 'sent' }
  | { readonly kind: 'retry'; readonly afterMs: number; readonly burnsBudget: boolean }
  | { readonly kind: 'failed'; readonly reason: FailureReason }

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

/** The longest that one wait in the database can be; whoever waits for more looks again then. */
const longestWaitMs = 86_400_000

/** When a spent account is tried again whose provider did not say until when it is spent. */
const quotaLookAgainMs = 900_000

/** When somebody looks again whether an operator has put a connection in order. */
export const configLookAgainMs = 60_000

/**
 * What follows from a provider's answer. Pure: durations only, since the database's clock says when.
 * Expiry is not decided here: the row ends as `expired` in the database once its time is over.
 * @param elsewhere another connection could take it now: what only this one has to wait for is not waited for.
 */
export function decideOutcome(
  budget: Budget,
  result: SendResult,
  policy: RetryPolicy,
  random: () => number,
  elsewhere = false,
): Decision {
  switch (result.kind) {
    case 'accepted':
      return { kind: 'sent' }
    case 'permanent':
      return { kind: 'failed', reason: 'permanent_error' }
    case 'rate_limited':
    case 'quota_exhausted':
    case 'config':
      return { kind: 'retry', afterMs: elsewhere ? 0 : pauseMs(budget, result, policy, random), burnsBudget: false }
    case 'transient':
    case 'unknown': {
      if (result.kind === 'unknown' && result.repeatable === false) return { kind: 'failed', reason: 'parked' }
      if (budget.attempt >= budget.maxAttempts) return { kind: 'failed', reason: 'retry_exhausted' }
      const asked = result.kind === 'transient' && !elsewhere ? result.retryAfterMs : null
      return { kind: 'retry', afterMs: waitMs(budgetUsed(budget), asked, policy, random), burnsBudget: true }
    }
  }
}

function pauseMs(
  budget: Budget,
  result: SendResult & { readonly kind: 'rate_limited' | 'quota_exhausted' | 'config' },
  policy: RetryPolicy,
  random: () => number,
): number {
  switch (result.kind) {
    case 'rate_limited':
      // By the attempt's number, since the budget does not move: a target that goes on refusing is asked ever less often.
      return waitMs(budget.attempt, result.retryAfterMs, policy, random)
    case 'quota_exhausted':
      return Math.min(result.retryAfterMs ?? quotaLookAgainMs, longestWaitMs)
    case 'config':
      return configLookAgainMs
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
  quota_exhausted: 'quota_exhausted',
  config: 'config',
  permanent: 'permanent',
  unknown: 'unknown',
} as const satisfies Record<SendResult['kind'], AttemptOutcome>

export function attemptOutcome(result: SendResult): AttemptOutcome {
  return attemptOutcomeOf[result.kind]
}
