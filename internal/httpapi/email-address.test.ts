import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toEmailAddress } from './email-address.ts'

describe('email addresses', () => {
  it.each([
    ['ada@example.com', 'ada@example.com'],
    ['Ada.B+tag@Example.COM', 'Ada.B+tag@Example.COM'],
    ["o'brien!#$%&*/=?^_`{|}~-@example.com", "o'brien!#$%&*/=?^_`{|}~-@example.com"],
    ['root@localhost', 'root@localhost'],
    ['ada@münchen.example', 'ada@xn--mnchen-3ya.example'],
    ['ada@例え.テスト', 'ada@xn--r8jz45g.xn--zckzah'],
    ['ada@xn--mnchen-3ya.example', 'ada@xn--mnchen-3ya.example'],
  ])('are kept: %s', (given, kept) => {
    expect(toEmailAddress(given)).toBe(kept)
  })

  it.each([
    '',
    'ada',
    '@example.com',
    'ada@',
    'Ada <ada@example.com>',
    '"Ada" ada@example.com',
    'ada@example.com,bob@example.com',
    'ada@example.com;bob@example.com',
    'ada@example.com\r\nBcc: bob@example.com',
    'ada@example.com\n',
    'a da@example.com',
    'ada@@example.com',
    '"ada"@example.com',
    'ada@[127.0.0.1]',
    'ada@example..com',
    'ada@-example.com',
    'ädä@example.com', // mail servers that take such a name are rare
    'ada@münchen.example/path',
    'ada@münchen.example:25',
    'ada@mün%2echen.example',
    'ada@ü ü.example',
    `ada@${'ü'.repeat(80)}.example`,
  ])('refuse %j', (text) => {
    expect(toEmailAddress(text)).toBeNull()
  })

  it('hold one @, no blank and no control character, and stay what they are when read again', () => {
    const domain = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    const text = fc.oneof(
      fc.tuple(fc.emailAddress(), domain).map(([address, end]) => address + end),
      fc.emailAddress(),
    )
    fc.assert(
      fc.property(text, (one) => {
        const address = toEmailAddress(one)
        fc.pre(address !== null)
        expect(address).toMatch(/^[!-?A-~]+@[a-zA-Z0-9.-]+$/)
        expect(toEmailAddress(address)).toBe(address)
      }),
    )
  })
})
