import { errorMessageMax } from '../domain/attempt.ts'
import type { SendResult } from '../domain/outcome.ts'
import type { BlockedAddressError } from './egress/blocked.ts'
import { parseRetryAfterMs } from './retry-after.ts'
import { cleanText } from './text.ts'

/** What came back over HTTP. */
export interface Answer {
  /** 200 to 599 or beyond; interim 1xx answers never get here. */
  readonly statusCode: number
  /** The header as sent, null without one. */
  readonly retryAfter: string | null
  readonly providerMessageId: string | null
  readonly responseExcerpt: string | null
}

export type StatusKind = 'accepted' | 'rate_limited' | 'transient' | 'permanent'

export function statusKind(statusCode: number): StatusKind {
  if (statusCode >= 200 && statusCode <= 299) return 'accepted'
  if (statusCode === 429) return 'rate_limited'
  if (statusCode === 408 || statusCode === 425) return 'transient'
  return statusCode >= 500 && statusCode <= 599 ? 'transient' : 'permanent'
}

/** What an HTTP answer means, from its status alone: the body decides nothing. */
export function classifyAnswer(answer: Answer, now: Date): SendResult {
  const { statusCode, responseExcerpt } = answer
  const kind = statusKind(statusCode)
  if (kind === 'accepted') return { kind, providerMessageId: answer.providerMessageId, statusCode, responseExcerpt }
  const error = { code: `http_${statusCode}`, message: messageOfStatus(statusCode), statusCode, responseExcerpt }
  if (kind === 'permanent') return { kind, ...error }
  const asksForPause = statusCode === 429 || statusCode === 503
  return { kind, retryAfterMs: asksForPause ? parseRetryAfterMs(answer.retryAfter, now) : null, ...error }
}

function messageOfStatus(statusCode: number): string {
  const redirect = statusCode >= 300 && statusCode <= 399
  return `the target answered with status ${statusCode}${redirect ? '; redirects are not followed' : ''}`
}

/** Why there was no answer. Stable: stored with the attempt, shown to clients. */
const failureMessages = {
  connection_refused: 'the target refused the connection',
  host_unreachable: 'the target cannot be reached over the network',
  dns_failure: 'the name of the target could not be resolved',
  connect_timeout: 'no connection to the target within the time for connecting',
  tls_failure: 'no secure connection to the target could be made',
  connection_reset: 'the connection broke before the target answered',
  timeout: 'the target did not answer in time',
  aborted: 'the attempt was called off before the target answered',
  bad_response: 'the target answered with something that is not HTTP',
  provider_stopped: 'the engine is stopping',
  invalid_request: 'the request could not be written as HTTP',
  egress_proxy: 'the egress proxy gave no connection to the target',
  network_error: 'the network failed before the target answered',
} as const

export type FailureCode = keyof typeof failureMessages

const codeOfSystemCode: ReadonlyMap<string, FailureCode> = new Map(
  Object.entries({
    ECONNREFUSED: 'connection_refused',
    EHOSTUNREACH: 'host_unreachable',
    ENETUNREACH: 'host_unreachable',
    EHOSTDOWN: 'host_unreachable',
    EADDRNOTAVAIL: 'host_unreachable',
    ENOTFOUND: 'dns_failure',
    EAI_AGAIN: 'dns_failure',
    EAI_FAIL: 'dns_failure',
    EAI_NODATA: 'dns_failure',
    ETIMEDOUT: 'connect_timeout',
    UND_ERR_CONNECT_TIMEOUT: 'connect_timeout',
    ECONNRESET: 'connection_reset',
    EPIPE: 'connection_reset',
    ECONNABORTED: 'connection_reset',
    UND_ERR_SOCKET: 'connection_reset',
    UND_ERR_HEADERS_TIMEOUT: 'timeout',
    UND_ERR_BODY_TIMEOUT: 'timeout',
    TimeoutError: 'timeout',
    AbortError: 'aborted',
    UND_ERR_ABORTED: 'aborted',
    UND_ERR_HEADERS_OVERFLOW: 'bad_response',
    HTTPParserError: 'bad_response',
    UND_ERR_DESTROYED: 'provider_stopped',
    UND_ERR_CLOSED: 'provider_stopped',
    UND_ERR_INVALID_ARG: 'invalid_request',
    egress_proxy: 'egress_proxy',
  } as const),
)
const tlsCode =
  /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO$|CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA$|INVALID_PURPOSE$|HOSTNAME_MISMATCH$)/

/** @param systemCode what {@link systemCodeOf} found in the error. */
export function failureCode(systemCode: string, written: boolean): FailureCode {
  if (systemCode.startsWith('HPE_')) return 'bad_response'
  if (tlsCode.test(systemCode)) return 'tls_failure'
  const code = codeOfSystemCode.get(systemCode) ?? 'network_error'
  return written && code === 'connect_timeout' ? 'timeout' : code // ETIMEDOUT also ends established connections
}

/**
 * What the lack of an answer means.
 * @param written false only when it is certain that no byte of the request left this process; in doubt true, since a
 *   wrong "nothing arrived" would hide a possible duplicate.
 */
export function classifyFailure(systemCode: string, written: boolean): SendResult {
  const code = failureCode(systemCode, written)
  const error = {
    code,
    message: cleanText(failureMessages[code], errorMessageMax),
    statusCode: null,
    responseExcerpt: null,
  }
  if (written) return { kind: 'unknown', ...error }
  if (code === 'invalid_request') return { kind: 'permanent', ...error } // the next attempt would write the same
  return { kind: 'transient', retryAfterMs: null, ...error }
}

/** The target may not be called: the next attempt would be refused too. */
export function classifyRefusal({ code, message }: BlockedAddressError): SendResult {
  return {
    kind: 'permanent',
    code,
    message: cleanText(message, errorMessageMax),
    statusCode: null,
    responseExcerpt: null,
  }
}

/** The code (`ECONNREFUSED`, `UND_ERR_SOCKET`) or else the name (`TimeoutError`) of an error; '' when it has none. */
export function systemCodeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  // Several addresses of one name were tried: the first failure stands for all.
  if (error instanceof AggregateError) return systemCodeOf(error.errors[0])
  const inner = systemCodeOf(error.cause)
  return inner === '' || inner === 'Error' ? error.name : inner
}
