/**
 * How one attempt ended. `unknown`: bytes were written and no answer came, the target may have it. `abandoned`: the
 * worker vanished and the orphan sweep ended the attempt. `quota_exhausted`: the account at the provider is spent.
 * `config`: the connection is wrong, not the message.
 */
export const attemptOutcomes = [
  'ok',
  'transient',
  'rate_limited',
  'quota_exhausted',
  'config',
  'permanent',
  'unknown',
  'abandoned',
] as const
export type AttemptOutcome = (typeof attemptOutcomes)[number]

export interface Attempt {
  /** 1…n over all generations, without gaps. */
  readonly number: number
  readonly generation: number
  readonly provider: string | null
  /** The connection it went over; null without one. */
  readonly connection: string | null
  /** `<connector id>@<version>` of that connection. */
  readonly connector: string | null
  /** The connector's rule that read the answer; null for a default. */
  readonly rule: string | null
  readonly outcome: AttemptOutcome
  /** A success that arrived after its lease was lost. */
  readonly late: boolean
  readonly statusCode: number | null
  readonly error: { readonly code: string; readonly message: string } | null
  /** First bytes of the answer, redacted; at most {@link responseExcerptMax} characters. */
  readonly responseExcerpt: string | null
  readonly durationMs: number | null
  readonly startedAt: Date | null
  readonly finishedAt: Date
  readonly nextRetryAt: Date | null
}

export const responseExcerptMax = 1_024
export const errorMessageMax = 512
