import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cleanText, isHeaderSafe, redact } from './text.ts'

describe('cleanText', () => {
  it('makes one line of whatever comes', () => {
    expect(cleanText(' a\r\n\u0000b\u001b[31mc\u2028d ', 100)).toBe('a b [31mc d')
  })

  it('replaces lone surrogates and never cuts a pair in half', () => {
    expect(cleanText('a\ud800b', 100)).toBe('a\ufffdb')
    expect(cleanText('ab\u{1f600}', 3)).toBe('ab')
    expect(cleanText('ab\u{1f600}', 4)).toBe('ab\u{1f600}')
  })

  it('always gives storable text within the limit', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(20), (text, max) => {
        const clean = cleanText(text, max)
        return clean.length <= max && clean.isWellFormed() && !/\p{Cc}/u.test(clean)
      }),
    )
  })
})

describe('redact', () => {
  it('takes out the secret as it is, and escaped for JSON or a URL', () => {
    const secret = 'Grüße "Ann"\n& co'
    const json = JSON.stringify({ echo: secret })
    const ascii = '{"echo": "Gr\\u00fc\\u00dfe \\"Ann\\"\\n& co"}'
    expect(redact(`<${secret}>`, [secret], true)).toBe('<[redacted]>')
    expect(redact(json, [secret], true)).toBe('{"echo":"[redacted]"}')
    expect(redact(ascii, [secret], true)).toBe('{"echo": "[redacted]"}')
    expect(redact(`c=${encodeURIComponent(secret)}&x`, [secret], true)).toBe('c=[redacted]&x')
  })

  it('finds a content that holds the recipient, and no secret inside its own mark', () => {
    expect(redact('to a: dear a, hi', ['a', 'dear a, hi'], true)).toBe('to [redacted]: [redacted]')
  })

  it('takes out what had only begun when the text was cut off', () => {
    expect(redact('echo: hello wo', ['hello world'], false)).toBe('echo: [redacted]')
    expect(redact('echo: hello wo', ['hello world'], true)).toBe('echo: hello wo')
  })

  it('leaves no trace of any secret of three characters or more', () => {
    const secrets = fc.string({ minLength: 3 }).filter((text) => !'[redacted]'.includes(text) && !text.includes('\0'))
    fc.assert(
      fc.property(fc.string(), secrets, fc.string(), (before, secret, after) => {
        const safe = redact(before + secret + after, [secret], true)
        return !safe.replaceAll('[redacted]', '\0').includes(secret)
      }),
    )
  })

  it('changes nothing without a secret', () => {
    expect(redact('plain', ['', 'other'], true)).toBe('plain')
  })
})

describe('isHeaderSafe', () => {
  it.each([
    ['abc-123', true],
    ['a b', true],
    ['x', true],
    ['', false],
    [' a', false],
    ['a ', false],
    ['a\nb', false],
    ['a\tb', false],
    ['é', false],
    ['\u0000', false],
  ])('says of %j: %s', (value, safe) => {
    expect(isHeaderSafe(value)).toBe(safe)
  })
})
