import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { errorMessageMax } from '../domain/attempt.ts'
import { classifyAnswer, classifyFailure, statusKind, systemCodeOf } from './classify.ts'

const now = new Date('2026-03-01T12:00:00Z')
const silent = { retryAfter: null, providerMessageId: null, responseExcerpt: null }

describe('classifyAnswer', () => {
  it.each([
    [200, 'accepted'],
    [202, 'accepted'],
    [204, 'accepted'],
    [299, 'accepted'],
    [301, 'permanent'],
    [302, 'permanent'],
    [304, 'permanent'],
    [307, 'permanent'],
    [400, 'permanent'],
    [401, 'permanent'],
    [403, 'permanent'],
    [404, 'permanent'],
    [408, 'transient'],
    [409, 'permanent'],
    [410, 'permanent'],
    [413, 'permanent'],
    [422, 'permanent'],
    [425, 'transient'],
    [429, 'rate_limited'],
    [500, 'transient'],
    [501, 'transient'],
    [502, 'transient'],
    [503, 'transient'],
    [504, 'transient'],
    [599, 'transient'],
    [600, 'permanent'],
    [999, 'permanent'],
  ] as const)('takes %i as %s', (statusCode, kind) => {
    expect(statusKind(statusCode)).toBe(kind)
    const result = classifyAnswer({ ...silent, statusCode }, now)
    expect(result).toMatchObject({ kind, statusCode })
    expect('code' in result ? result.code : null).toBe(kind === 'accepted' ? null : `http_${statusCode}`)
  })

  it('waits as asked after 429 and 503, and after no other status', () => {
    const waits = [429, 503, 500, 408, 425].map((statusCode) =>
      classifyAnswer({ ...silent, statusCode, retryAfter: '7' }, now),
    )
    expect(waits.map((one) => ('retryAfterMs' in one ? one.retryAfterMs : undefined))).toEqual([
      7_000,
      7_000,
      null,
      null,
      null,
    ])
  })

  it('gives every status exactly one kind, and keeps what the target said', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 999 }), fc.string(), (statusCode, text) => {
        const answer = { statusCode, retryAfter: text, providerMessageId: text, responseExcerpt: text }
        const result = classifyAnswer(answer, now)
        expect(result.responseExcerpt).toBe(text)
        expect(result.kind === 'accepted').toBe(statusCode < 300)
        if (result.kind === 'accepted') expect(result.providerMessageId).toBe(text)
        else expect(result.message.length).toBeLessThanOrEqual(errorMessageMax)
      }),
    )
  })
})

describe('classifyFailure', () => {
  it.each([
    ['ECONNREFUSED', 'connection_refused'],
    ['ENOTFOUND', 'dns_failure'],
    ['EAI_AGAIN', 'dns_failure'],
    ['UND_ERR_CONNECT_TIMEOUT', 'connect_timeout'],
    ['ETIMEDOUT', 'connect_timeout'],
    ['EHOSTUNREACH', 'host_unreachable'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls_failure'],
    ['CERT_HAS_EXPIRED', 'tls_failure'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls_failure'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls_failure'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls_failure'],
    ['EPROTO', 'tls_failure'],
    ['ECONNRESET', 'connection_reset'],
    ['TimeoutError', 'timeout'],
    ['AbortError', 'aborted'],
    ['UND_ERR_CLOSED', 'provider_stopped'],
    ['EWHATEVER', 'network_error'],
    ['', 'network_error'],
  ])('takes %s before anything was written as transient %s', (systemCode, code) => {
    expect(classifyFailure(systemCode, false)).toMatchObject({
      kind: 'transient',
      code,
      retryAfterMs: null,
      statusCode: null,
    })
  })

  it.each([
    ['ECONNRESET', 'connection_reset'],
    ['EPIPE', 'connection_reset'],
    ['UND_ERR_SOCKET', 'connection_reset'],
    ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
    ['TimeoutError', 'timeout'],
    ['ETIMEDOUT', 'timeout'],
    ['AbortError', 'aborted'],
    ['HPE_INVALID_CONSTANT', 'bad_response'],
    ['UND_ERR_HEADERS_OVERFLOW', 'bad_response'],
    ['EWHATEVER', 'network_error'],
  ])('takes %s after bytes were written as unknown %s', (systemCode, code) => {
    expect(classifyFailure(systemCode, true)).toMatchObject({ kind: 'unknown', code, statusCode: null })
  })

  it('never calls anything but "unknown" what may have arrived', () => {
    fc.assert(fc.property(fc.string(), (systemCode) => classifyFailure(systemCode, true).kind === 'unknown'))
  })

  it('gives up on a request that can never be written', () => {
    expect(classifyFailure('UND_ERR_INVALID_ARG', false)).toMatchObject({ kind: 'permanent', code: 'invalid_request' })
  })
})

describe('systemCodeOf', () => {
  it('finds the code in the error, its parts, its cause, or its name', () => {
    const refused = Object.assign(new Error('x'), { code: 'ECONNREFUSED' })
    expect(systemCodeOf(refused)).toBe('ECONNREFUSED')
    expect(systemCodeOf(new AggregateError([refused]))).toBe('ECONNREFUSED')
    expect(systemCodeOf(new TypeError('fetch failed', { cause: refused }))).toBe('ECONNREFUSED')
    expect(systemCodeOf(new DOMException('late', 'TimeoutError'))).toBe('TimeoutError')
    expect(systemCodeOf('text')).toBe('')
  })
})
