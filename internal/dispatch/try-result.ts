import type { SendResult } from '../domain/outcome.ts'
import { type TryResult, unansweredTry } from '../port/outlet.ts'

/** What a try over a connection means for the notification. */
export function toSendResult(tried: TryResult, repeatable: boolean): SendResult {
  const { statusCode, responseExcerpt, providerMessageId } = tried
  if (tried.class === 'accepted') return { kind: 'accepted', providerMessageId, statusCode, responseExcerpt }
  const error = {
    statusCode,
    responseExcerpt,
    code: tried.code ?? tried.class,
    message: tried.message ?? 'the provider gave no reason',
  }
  switch (tried.class) {
    case 'transient':
    case 'rate_limited':
    case 'quota_exhausted':
      return { kind: tried.class, retryAfterMs: askedMs(tried), ...error }
    case 'config':
      return { kind: 'config', ...error }
    case 'ambiguous':
      return { kind: 'unknown', repeatable, ...error }
    case 'permanent':
      return { kind: 'permanent', ...error }
    case 'recipient_invalid':
    case 'opted_out':
      // What happened to the recipient is the stable word; the provider's own code stays in the message.
      return { kind: 'permanent', ...error, code: tried.class, message: withCode(tried.code, error.message) }
  }
}

/** What the provider and its connector ask for, the longer; null when neither does. */
export function askedMs({ retryAfterMs, minDelayMs }: TryResult): number | null {
  return retryAfterMs === null && minDelayMs === null ? null : Math.max(retryAfterMs ?? 0, minDelayMs ?? 0)
}

/** An outlet that throws broke its contract; nobody can know how far it came. */
export function bugInOutlet(error: unknown): TryResult {
  const name = error instanceof Error ? error.name : typeof error
  return {
    class: 'ambiguous',
    ...unansweredTry,
    code: 'provider_fault',
    message: `the connection failed inside the engine (${name})`,
  }
}

function withCode(code: string | null, message: string): string {
  return code === null ? message : `${code}: ${message}`
}
