import { errorMessageMax } from '../../domain/attempt.ts'
import { type TryClass, unansweredTry } from '../../port/outlet.ts'
import { cleanText } from '../text.ts'
import type { ConnectorResult } from './answer.ts'
import { failureOf, type NoAnswer } from './call.ts'
import { formatLimitProblem, type LimitProblem } from './limits.ts'
import type { RequestError } from './request.ts'
import type { TokenError } from './tokens.ts'

/** Results of attempts to which no provider gave an answer. */

function withoutAnswer(answerClass: TryClass, code: string, message: string): ConnectorResult {
  return { ...unansweredTry, class: answerClass, code, message: cleanText(message, errorMessageMax) }
}

/** Bytes were written: it may have arrived. None were: another try is safe. */
export function resultOfNoAnswer({ systemCode, written, error }: NoAnswer): ConnectorResult {
  const failed = failureOf({ systemCode, written, error })
  if (failed.kind === 'accepted') return withoutAnswer('ambiguous', 'no_answer', 'no answer came')
  return withoutAnswer(failed.kind === 'unknown' ? 'ambiguous' : failed.kind, failed.code, failed.message)
}

/** The next attempt would write the same, unless it was only the machine that was slow. */
export function resultOfRequestError({ code, message }: RequestError): ConnectorResult {
  return withoutAnswer(code === 'template_too_slow' ? 'transient' : 'permanent', code, message)
}

export function resultOfTokenError(error: TokenError): ConnectorResult {
  const { statusCode, retryAfterMs } = error
  return { ...withoutAnswer(error.class, error.code, error.message), statusCode, retryAfterMs }
}

export function resultOfLimit(problem: LimitProblem): ConnectorResult {
  return withoutAnswer('permanent', 'limit_exceeded', formatLimitProblem(problem))
}

const endings: ReadonlySet<TryClass> = new Set(['permanent', 'recipient_invalid', 'opted_out'])

/**
 * A later part of a split message failed while earlier ones are delivered. What ends the message stays; everything else
 * would send the earlier parts again, so it is an unknown outcome, which is tried again only where a repeat does no harm.
 */
export function resultOfPart(result: ConnectorResult, part: number, parts: number): ConnectorResult {
  const message = cleanText(`part ${part} of ${parts}: ${result.message ?? ''}`, errorMessageMax)
  return { ...result, message, class: endings.has(result.class) ? result.class : 'ambiguous' }
}
