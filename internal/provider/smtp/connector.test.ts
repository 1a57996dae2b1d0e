import { describe, expect, it } from 'vitest'
import { exampleConfig } from '../connector/config.ts'
import { cert } from './certificate.suite.ts'
import { checkSmtpConfig, settingsOf, smtpConnector } from './connector.ts'
import { reachedProblem } from './dial.ts'
import { smtpOutlet } from './relay.suite.ts'

const least = { host: 'smtp.example.com', from: 'alerts@example.com' }

/** `<field>: <expected>` of each problem. */
function problems(change: Readonly<Record<string, unknown>>): readonly string[] {
  const checked = checkSmtpConfig({ ...least, ...change })
  return checked.ok ? [] : checked.problems.map(({ field, expected }) => `${field}: ${expected}`)
}

describe('the SMTP connector', () => {
  it('is described as the others are, and its examples are right', () => {
    expect(smtpConnector).toMatchObject({ name: 'smtp@1', document: { id: 'smtp', version: 1, channel: 'email' } })
    expect(smtpConnector.document.config['password']).toMatchObject({ secret: true, type: 'string' })
    expect(checkSmtpConfig(exampleConfig(smtpConnector))).toMatchObject({ ok: true })
  })

  it('needs a host and a sender, and encrypts unless told otherwise', () => {
    const checked = checkSmtpConfig(least)
    expect(checked.ok ? settingsOf(checked.config) : checked.problems).toMatchObject({
      port: 587,
      security: 'starttls',
      username: null,
      connections: 5,
      messagesPerConnection: 100,
      connectTimeoutMs: 5_000,
    })
    expect(problems({ host: '', from: undefined })).toEqual([
      'host: a text of any to 253 characters that matches [A-Za-z0-9._:-]+',
      'from: a text of any to 254 characters that matches [^@\\s]+@[^@\\s]+',
    ])
  })

  it.each<readonly [string, Readonly<Record<string, unknown>>, string]>([
    ['a line break in the sender name', { fromName: 'A\r\nBcc: b@example.org' }, 'fromName'],
    ['a NUL in the sender name', { fromName: 'A\u0000' }, 'fromName'],
    ['two senders', { from: 'a@example.com,b@example.com' }, 'from'],
    ['a comment in the sender', { from: 'a(b)@example.com' }, 'from'],
    ['a sender with a name in it', { from: 'A<a@example.com>' }, 'from'],
    ['two addresses to reply to', { replyTo: 'a@example.com;b@example.com' }, 'replyTo'],
    ['a command in the EHLO name', { ehloName: 'x\r\nMAIL' }, 'ehloName'],
    ['a path in the host', { host: 'smtp.example.com/x' }, 'host'],
    ['colons that are no address', { host: 'a:b:c' }, 'host'],
    ['a port beyond all ports', { port: 70_000 }, 'port'],
    ['an unknown encryption', { security: 'ssl' }, 'security'],
    ['a user without password', { username: 'u' }, 'password'],
    ['a password without user', { password: 'p' }, 'username'],
    ['something else than a certificate', { caCertificate: 'hello' }, 'caCertificate'],
    ['a word that is unknown', { hots: 'x' }, 'hots'],
  ])('refuses %s', (_, change, field) => {
    expect(problems(change).map((text) => text.split(':')[0])).toEqual([field])
  })

  it.each([
    { caCertificate: cert },
    { host: '::1' },
    { host: '192.0.2.1' },
    { ehloName: '[192.0.2.1]' },
    { fromName: 'A "B" <c>, d' },
  ])('takes %j', (change) => {
    expect(problems(change)).toEqual([])
  })

  it('opens nothing that was not checked, and repeats no secret', () => {
    const open = () => smtpOutlet({ port: 0, password: 'sesame\u0000', username: 'u' })
    expect(open).toThrow(
      /^port: found 0, expected a whole number of 1 to 65535; password: found a secret of 7 characters/,
    )
    expect(open).not.toThrow(/sesame/)
  })
})

describe('an address that was reached', () => {
  it.each<readonly [string, boolean, number, 'starttls' | 'none', boolean]>([
    ['public, at a port for mail', false, 587, 'starttls', true],
    ['public, at another port', false, 8080, 'starttls', false],
    ['public, in the clear', false, 25, 'none', false],
    ['of the operator, at any port in the clear', true, 1025, 'none', true],
  ])('%s', (_, own, port, security, isFine) => {
    expect(reachedProblem({ allowed: true, own }, { port, security }) === null).toBe(isFine)
  })

  it('is not used when the guard does not allow it', () => {
    const verdict = { allowed: false, kind: 'a private address' } as const
    expect(reachedProblem(verdict, { port: 25, security: 'tls' })).toBe('its host leads to a private address')
  })
})
