import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ConnectorAnswer, classifyAnswer } from './answer.ts'
import { connectorOf } from './example.suite.ts'

const now = new Date('2026-01-01T00:00:00Z')

function answerOf(
  statusCode: number,
  body: unknown = '',
  headers: Readonly<Record<string, string>> = {},
): ConnectorAnswer {
  const isText = typeof body === 'string'
  const bytes = Buffer.from(isText ? body : JSON.stringify(body))
  const type = isText ? 'text/plain' : 'application/json'
  return { statusCode, headers: { 'content-type': type, ...headers }, body: { bytes, complete: true } }
}

const parts = {
  success: { status: ['2xx'], body: { path: 'ok', in: [true] } },
  messageId: { from: 'body', path: 'result.id' },
  errors: [
    {
      name: 'slow',
      match: { status: [429] },
      class: 'rate_limited',
      retryAfter: [
        { header: 'retry-after' },
        { path: 'wait', unit: 's' },
        { header: 'x-reset', unit: 'epoch_s' },
        { default: '5s' },
      ],
      scope: 'recipient',
    },
    {
      name: 'gone',
      match: {
        body: {
          path: 'error.details',
          where: { '@type': { endsWith: 'FcmError' } },
          take: 'errorCode',
          in: ['UNREGISTERED'],
        },
      },
      class: 'recipient_invalid',
    },
    { name: 'opted-out', match: { body: { path: 'code', in: [21610] } }, class: 'opted_out' },
    {
      name: 'both',
      match: { status: [400], headers: { 'x-kind': { startsWith: 'quota' } } },
      class: 'quota_exhausted',
    },
    {
      name: 'later',
      match: { status: [502], text: { contains: 'busy', notContains: 'dead' } },
      class: 'transient',
      minDelay: '5s',
    },
    { match: { status: [401, 403] }, class: 'config', hint: 'The key is wrong.' },
  ],
  describe: {
    code: [{ path: 'error.status' }, { path: 'code' }],
    message: [{ path: 'message' }, { header: 'x-error' }],
  },
  throttle: { remaining: 'x-remaining', resetAfter: { header: 'x-reset-after' }, bucket: 'x-bucket' },
}
const rules = connectorOf(parts).answers
const classify = (answer: ConnectorAnswer, secrets: readonly string[] = []) =>
  classifyAnswer(rules, answer, now, secrets)

describe('an answer', () => {
  it('is a success only when the whole predicate holds', () => {
    expect(classify(answerOf(200, { ok: true, result: { id: 7 } }))).toMatchObject({
      class: 'accepted',
      providerMessageId: '7',
      code: null,
      message: null,
    })
    expect(classify(answerOf(200, { ok: 'true' }))).toMatchObject({ class: 'ambiguous', code: 'http_200', rule: null })
  })

  it('that was cut off is no success where the body decides, and one where the status does', () => {
    const cut = { ...answerOf(200, '{"ok": tr'), body: { bytes: Buffer.from('{"ok": tr'), complete: false } }
    expect(classify(cut).class).toBe('ambiguous')
    expect(classifyAnswer(connectorOf().answers, cut, now, []).class).toBe('accepted')
  })

  it.each([
    [400, { code: 21610 }, {}, 'opted_out', 'opted-out', '21610'],
    [400, { code: '21610' }, {}, 'opted_out', 'opted-out', '21610'],
    [
      404,
      {
        error: {
          status: 'NOT_FOUND',
          details: [
            { '@type': 'x/Other', errorCode: 'UNREGISTERED' },
            { '@type': 'x/FcmError', errorCode: 'UNREGISTERED' },
          ],
        },
      },
      {},
      'recipient_invalid',
      'gone',
      'NOT_FOUND',
    ],
    [
      404,
      { error: { details: [{ '@type': 'x/Other', errorCode: 'UNREGISTERED' }] } },
      {},
      'permanent',
      null,
      'http_404',
    ],
    [404, { error: { details: 'FcmError' } }, {}, 'permanent', null, 'http_404'],
    [400, '', { 'x-kind': 'quota-month' }, 'quota_exhausted', 'both', 'http_400'],
    [502, 'very busy', {}, 'transient', 'later', 'http_502'],
    [502, 'busy, dead', {}, 'transient', null, 'http_502'],
    [502, '<html><body>Bad gateway</body></html>', { 'content-type': 'text/html' }, 'transient', null, 'http_502'],
    [401, '', {}, 'config', null, 'http_401'],
    [408, '', {}, 'transient', null, 'http_408'],
    [425, '', {}, 'transient', null, 'http_425'],
    [302, '', {}, 'permanent', null, 'http_302'],
    [422, { error: { status: ['odd', 1] } }, {}, 'permanent', null, '_odd_1_'],
  ])('%i %j %j is %s by rule %s', (status, body, headers, answerClass, name, code) => {
    const { class: found, rule, code: said } = classify(answerOf(status, body, headers))
    expect([found, rule?.name ?? null, said]).toEqual([answerClass, name, code])
  })

  it('asks for the longest of its waits, and for the default only without any', () => {
    const wait = (body: object, headers: Readonly<Record<string, string>>) =>
      classify(answerOf(429, body, headers)).retryAfterMs
    const epoch = String(now.getTime() / 1_000 + 60)
    expect(wait({}, { 'retry-after': '7' })).toBe(7_000)
    expect(wait({}, { 'retry-after': '0.25' })).toBe(250)
    expect(wait({}, { 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' })).toBe(30_000)
    expect(wait({ wait: 64.5 }, { 'retry-after': '7' })).toBe(64_500)
    expect(wait({ wait: 2 }, { 'retry-after': '7', 'x-reset': epoch })).toBe(60_000)
    expect(wait({}, { 'x-reset': '1' })).toBe(5_000)
    expect(wait({ wait: 'soon' }, {})).toBe(5_000)
    expect(wait({ wait: 1e9 }, {})).toBe(31 * 86_400_000)
    expect(classify(answerOf(429)).scope).toBe('recipient')
  })

  it('is waited for by its Retry-After where no rule says otherwise', () => {
    expect(classify(answerOf(503, '', { 'retry-after': '9' })).retryAfterMs).toBe(9_000)
    expect(classify(answerOf(404, '', { 'retry-after': '9' })).retryAfterMs).toBeNull()
    expect(classify(answerOf(502, 'busy')).minDelayMs).toBe(5_000)
  })

  it('tells the operator in its own words, else in those of the rule, else by its status', () => {
    expect(classify(answerOf(401, { message: 'no such key' })).message).toBe('no such key')
    expect(classify(answerOf(401)).message).toBe('The key is wrong.')
    expect(classify(answerOf(404)).message).toBe('the provider answered with status 404')
    expect(classify(answerOf(302)).message).toContain('redirects are not followed')
  })

  it('keeps no secret that it echoes, in no text', () => {
    const secrets = ['sesame-open', 'https://x.y/T0/B0/abc', '+491234567']
    const echo = secrets.join(' and ')
    const result = classify(
      answerOf(400, { message: `no ${echo}\u0007\n`, error: { status: echo } }, { 'x-kind': echo }),
      secrets,
    )
    for (const secret of secrets) expect(JSON.stringify(result)).not.toContain(secret)
    expect(result.message).toBe('no [redacted] and [redacted] and [redacted]')
  })

  it('keeps no secret in the name of a bucket, and the id as it came', () => {
    const answer = answerOf(200, { ok: true, result: { id: 'projects/p/1' } }, { 'x-bucket': 'b-sesame-open' })
    expect(classify(answer, ['sesame-open', 'projects/p'])).toMatchObject({
      providerMessageId: 'projects/p/1',
      throttle: { bucket: 'b-[redacted]' },
    })
  })

  it('teaches the limits that its headers tell', () => {
    const headers = { 'x-remaining': '3', 'x-reset-after': '1.5', 'x-bucket': 'abc' }
    expect(classify(answerOf(200, { ok: true }, headers)).throttle).toEqual({
      remaining: 3,
      resetAfterMs: 1_500,
      bucket: 'abc',
    })
    expect(classify(answerOf(200, { ok: true })).throttle).toBeNull()
  })

  it('is read without a throw, whatever its bytes and headers', () => {
    const names = ['content-type', 'content-encoding', 'retry-after', 'x-reset', 'x-remaining', 'x-kind', 'x-error']
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value))),
      fc.jsonValue().map((value) =>
        Buffer.from(
          JSON.stringify({
            error: { details: value, status: value },
            message: value,
            wait: value,
            code: value,
            ok: value,
            result: { id: value },
          }),
        ),
      ),
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 200, max: 999 }),
        bytes,
        fc.boolean(),
        fc.dictionary(fc.constantFrom(...names), fc.oneof(fc.string(), fc.array(fc.string()))),
        (statusCode, body, complete, headers) => {
          const result = classify({ statusCode, headers, body: { bytes: body, complete } }, ['secret'])
          expect(result.class === 'accepted').toBe(result.code === null)
          expect(result.message?.length ?? 0).toBeLessThanOrEqual(512)
          expect(result.code?.length ?? 0).toBeLessThanOrEqual(64)
          expect(result.retryAfterMs ?? 0).toBeGreaterThanOrEqual(0)
          expect(Number.isFinite(result.retryAfterMs ?? 0)).toBe(true)
        },
      ),
    )
  })
})
