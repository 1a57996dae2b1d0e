import { retryAfterMaxMs } from '../domain/outcome.ts'

/** RFC 9110 dates that carry their zone; the asctime form is left out, since engines read it as local time. */
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*, \d{2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d{2}:\d{2}:\d{2} GMT$/

/**
 * The pause a `Retry-After` header asks for: whole seconds or an HTTP date.
 * @returns 0 to {@link retryAfterMaxMs}; null when there is none, or it is negative, past or unreadable.
 */
export function parseRetryAfterMs(header: string | null, now: Date): number | null {
  const text = header?.trim() ?? ''
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1_000, retryAfterMaxMs)
  if (!httpDate.test(text)) return null
  const waitMs = Date.parse(text) - now.getTime()
  return Number.isFinite(waitMs) && waitMs >= 0 ? Math.min(waitMs, retryAfterMaxMs) : null
}
