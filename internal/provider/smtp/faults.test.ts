import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../testkit/eventually.ts'
import { listen } from '../egress/loopback.suite.ts'
import { cert } from './certificate.suite.ts'
import {
  account,
  aMail,
  mailServer,
  onceSilent,
  plainOutlet,
  type Script,
  scriptedRelay,
  secureOutlet,
  soon,
} from './relay.suite.ts'

/** What becomes of one message at a relay that follows a script. */
async function outcome(script: Script, config = {}, secrets = {}) {
  const { port } = await scriptedRelay(script)
  return plainOutlet(port, config, { secrets }).send(aMail(), soon())
}

describe('a refusal', () => {
  it.each<readonly [string, Script, object]>([
    [
      'of the recipient',
      { rcpt: '550 5.1.1 <JO@example.org>: Recipient address rejected' },
      {
        class: 'recipient_invalid',
        code: 'smtp_550',
        statusCode: 550,
        message: 'the relay refused the recipient (550 5.1.1)',
      },
    ],
    [
      'of the recipient for now',
      { rcpt: '450 4.2.1 busy' },
      { class: 'transient', minDelayMs: 60_000, scope: 'recipient' },
    ],
    [
      'by a greylist',
      { rcpt: '451 4.7.1 Greylisted, try again in 300 seconds' },
      { rule: 'greylisted', class: 'transient', minDelayMs: 120_000, retryAfterMs: 300_000 },
    ],
    ['of the sender', { mail: '553 5.7.1 not owned by user' }, { class: 'config', rule: 'sender-refused' }],
    ['of the size', { mail: '552 5.3.4 too big' }, { class: 'permanent', rule: null }],
    [
      'of a mailbox without log-in',
      { mail: '530 5.7.0 Authentication required' },
      { class: 'config', rule: 'credentials' },
    ],
    ['before the text', { data: '554 5.5.1 no valid recipients' }, { class: 'permanent', code: 'smtp_554' }],
    [
      'of the text',
      { dot: '554 5.7.1 looks like spam' },
      { class: 'permanent', code: 'smtp_554', message: 'the relay refused the message (554 5.7.1)' },
    ],
    ['of the text for now', { dot: '451 4.3.0 disk is full' }, { class: 'transient', minDelayMs: 60_000 }],
    [
      'of the text with a goodbye',
      { dot: { cut: '421 4.3.2 shutting down' } },
      { class: 'transient', code: 'smtp_421', minDelayMs: null },
    ],
    [
      'of the session',
      { greeting: { cut: '554 5.7.1 no service for you' } },
      { class: 'config', rule: 'session-refused' },
    ],
    [
      'of the session for now',
      { greeting: { cut: '421 too many connections' } },
      { class: 'transient', code: 'smtp_421' },
    ],
    [
      'at the recipient with a goodbye',
      { rcpt: { cut: '421 4.7.0 slow down' } },
      { class: 'transient', code: 'smtp_421' },
    ],
    [
      'for a quota',
      { dot: '454 Throttling failure: Daily message quota exceeded' },
      { class: 'quota_exhausted', retryAfterMs: 3_600_000 },
    ],
  ])('%s', async (_, script, expected) => {
    expect(await outcome(script)).toMatchObject(expected)
  })

  it.each<readonly [string, object]>([
    ['535 5.7.8 bad credentials', { class: 'config', rule: 'credentials' }],
    ['534 5.7.9 mechanism too weak', { class: 'config', rule: 'credentials' }],
    ['454 4.7.0 try later', { class: 'transient', code: 'smtp_454', minDelayMs: null }],
    ['502 5.5.1 what?', { class: 'config', rule: 'login-refused' }],
  ])('of the log-in: %s', async (auth, expected) => {
    const config = { username: account.username }
    const offered = { ehlo: '250-relay.test\r\n250 AUTH PLAIN LOGIN', auth }
    expect(await outcome(offered, config, { password: account.password })).toMatchObject(expected)
  })

  it('to hear of a log-in gets no message without one', async () => {
    const { port, commands } = await scriptedRelay({ auth: '503 5.5.1 not available' })
    const outlet = plainOutlet(port, { username: account.username }, { secrets: { password: account.password } })
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'config', rule: 'login-refused' })
    expect(commands.filter((one) => one.startsWith('MAIL'))).toEqual([])
  })

  it('tells no recipient, no content and no password', async () => {
    const auth = { ehlo: '250-relay.test\r\n250 AUTH PLAIN' }
    const { port } = await scriptedRelay({
      ...auth,
      rcpt: '550 5.1.1 <jo@example.org> open-sesame Your code is 123456',
    })
    const outlet = plainOutlet(port, { username: 'mailer' }, { secrets: { password: 'open-sesame' } })
    const { responseExcerpt } = await outlet.send(aMail({ recipient: 'Jo@example.org' }), soon())
    expect(responseExcerpt).toBe('550 5.1.1 <[redacted]> [redacted] [redacted]')
  })

  it('of STARTTLS is no reason to go on without', async () => {
    const ehlo = '250-relay.test\r\n250 STARTTLS'
    for (const [starttls, expected] of [
      ['454 4.7.0 not now', 'transient'],
      ['502 5.5.1 never', 'config'],
    ] as const) {
      const { port, commands } = await scriptedRelay({ ehlo, starttls })
      const outlet = secureOutlet(port, { caCertificate: cert })
      expect(await outlet.send(aMail(), soon())).toMatchObject({ class: expected })
      expect(commands.filter((one) => one.startsWith('AUTH') || one.startsWith('MAIL'))).toEqual([])
    }
  })

  it('keeps the connection for the next message', async () => {
    let refused = 0
    const { port, connections } = await mailServer({
      onRcptTo: ({ address }, _session, done) => {
        if (!address.startsWith('no')) return done()
        refused++
        done(Object.assign(new Error('5.1.1 unknown'), { responseCode: 550 }))
      },
    })
    const outlet = secureOutlet(port, { connections: 1 })
    expect(await outlet.send(aMail({ recipient: 'nobody@example.org' }), soon())).toMatchObject({
      class: 'recipient_invalid',
    })
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'accepted' })
    expect([refused, connections()]).toEqual([1, 1])
  })
})

describe('a connection', () => {
  it('that is lost after the dot leaves the outcome open, and the message is not sent again', async () => {
    const { port, dots, connections } = await scriptedRelay({ dot: { cut: '' } })
    expect(await plainOutlet(port).send(aMail(), soon())).toMatchObject({
      class: 'ambiguous',
      code: 'connection_reset',
    })
    expect([dots(), connections()]).toEqual([1, 1])
  })

  it.each<readonly [string, Script]>([
    ['at MAIL', { mail: { cut: '' } }],
    ['at RCPT', { rcpt: { cut: '' } }],
    ['at DATA', { data: { cut: '' } }],
    ['at EHLO', { ehlo: { cut: '' } }],
  ])('that is lost %s delivered nothing', async (_, script) => {
    expect(await outcome(script)).toMatchObject({ class: 'transient', code: 'connection_reset' })
  })

  it('that the relay closes before it speaks is tried a few times only', async () => {
    const { port, connections } = await scriptedRelay({ greeting: { cut: '' } })
    expect(await plainOutlet(port).send(aMail(), soon())).toMatchObject({
      class: 'transient',
      code: 'connection_reset',
    })
    expect(connections()).toBe(3)
  })

  it('that is refused delivered nothing', async () => {
    const server = createServer()
    const { port } = await listen(server)
    await new Promise((resolve) => server.close(resolve))
    expect(await plainOutlet(port).send(aMail(), soon())).toMatchObject({
      class: 'transient',
      code: 'connection_refused',
    })
  })

  it('that died in the pool is replaced without a word', async () => {
    const { port, open, connections, dots } = await scriptedRelay({})
    const outlet = plainOutlet(port)
    await outlet.send(aMail(), soon())
    for (const socket of open) socket.destroy()
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'accepted', providerMessageId: '4XyZ' })
    expect([connections(), dots()]).toEqual([2, 2])
  })

  it('that dies when it is used again, before anything of the message went out, is replaced too', async () => {
    const { port, connections, dots } = await scriptedRelay({ mail: ['250 ok', { cut: '' }] }, {})
    const outlet = plainOutlet(port)
    await outlet.send(aMail(), soon())
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'accepted' })
    expect([connections(), dots()]).toEqual([2, 2])
  })

  it('that dies when it is used again, after the dot, is an open outcome like every other', async () => {
    const { port, connections, dots } = await scriptedRelay({ dot: ['250 ok', { cut: '' }] }, {})
    const outlet = plainOutlet(port)
    await outlet.send(aMail(), soon())
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'ambiguous', code: 'connection_reset' })
    expect([connections(), dots()]).toEqual([1, 2])
  })
})

describe('a relay that takes commands in one go', () => {
  const ehlo = '250-relay.test\r\n250 PIPELINING'
  it.each<readonly [string, Script, string]>([
    ['may refuse the recipient', { rcpt: '550 5.1.1 unknown', data: '554 5.5.1 nobody' }, 'recipient_invalid'],
    ['may refuse the recipient and take the text', { rcpt: '550 5.1.1 unknown' }, 'recipient_invalid'],
    ['may refuse the sender', { mail: '553 5.1.8 unknown', rcpt: '503 first MAIL', data: '503 first RCPT' }, 'config'],
    ['may hang up between', { rcpt: { cut: '' } }, 'transient'],
    ['may hang up after the dot', { dot: { cut: '' } }, 'ambiguous'],
    ['may take the message', {}, 'accepted'],
  ])('%s', async (_, script, expected) => {
    expect(await outcome({ ehlo, ...script })).toMatchObject({ class: expected })
  })
})

describe('nonsense', () => {
  it.each<readonly [string, Script, string]>([
    ['for a greeting', { greeting: 'SSH-2.0-OpenSSH_9.6' }, 'transient'],
    ['for an answer to RCPT', { rcpt: 'HTTP/1.1 200 OK' }, 'transient'],
    ['for an answer to the dot', { dot: 'thanks a lot' }, 'ambiguous'],
    ['of digits for an answer to the dot', { dot: '354 go on' }, 'ambiguous'],
  ])('%s', async (_, script, expected) => {
    expect(await outcome(script)).toMatchObject({ class: expected, code: 'bad_response' })
  })

  it('without end is cut', async () => {
    const { port } = await scriptedRelay({ greeting: `220-${'x'.repeat(200_000)}` })
    expect(await plainOutlet(port).send(aMail(), soon())).toMatchObject({ class: 'transient', code: 'bad_response' })
  })
})

describe('a deadline', () => {
  it.each<readonly [string, Script, string]>([
    ['before the greeting', { greeting: null }, 'transient'],
    ['at EHLO', { ehlo: null }, 'transient'],
    ['at MAIL', { mail: null }, 'transient'],
    ['at RCPT', { rcpt: null }, 'transient'],
    ['at DATA', { data: null }, 'transient'],
    ['after the dot', { dot: null }, 'ambiguous'],
  ])('%s ends the send and the connection', async (_, script, expected) => {
    const relay = await scriptedRelay(script)
    const { port, open } = relay
    const result = await plainOutlet(port).send(aMail(), onceSilent(relay))
    expect(result).toMatchObject({ class: expected, code: 'timeout' })
    await eventually(() => [...open].every((socket) => socket.destroyed))
  })

  it.each<readonly [string, Script]>([
    ['in the TLS handshake', { ehlo: '250-relay.test\r\n250 STARTTLS', starttls: '220 go on' }],
    ['at the log-in', { ehlo: '250-relay.test\r\n250 AUTH PLAIN', auth: null }],
  ])('%s ends the send', async (_, script) => {
    const { port } = await scriptedRelay(script)
    const security = script.starttls === undefined ? 'none' : 'starttls'
    const outlet = secureOutlet(port, { security })
    expect(await outlet.send(aMail(), AbortSignal.timeout(150))).toMatchObject({ class: 'transient', code: 'timeout' })
  })

  it('in the middle of the text delivered nothing', async () => {
    const relay = await scriptedRelay({ data: { deaf: '354 go on' } })
    const html = '<p>x</p>'.repeat(2_000_000)
    const result = await plainOutlet(relay.port).send(aMail({ html }), onceSilent(relay))
    expect(result).toMatchObject({ class: 'transient', code: 'timeout' })
    expect(relay.dots()).toBe(0)
  })

  it('ends a wait for a free connection, and nothing goes out late', async () => {
    const { port, dots, commands } = await scriptedRelay({ dot: null })
    const outlet = plainOutlet(port, { connections: 1 })
    const first = outlet.send(aMail(), soon())
    await eventually(() => dots() === 1)
    const second = await outlet.send(aMail(), AbortSignal.timeout(100))
    expect(second).toMatchObject({ class: 'transient', code: 'timeout' })
    await outlet.close()
    expect(await first).toMatchObject({ class: 'ambiguous' })
    expect(commands.filter((one) => one.startsWith('MAIL'))).toHaveLength(1)
  })

  it('that is over already sends nothing', async () => {
    const { port, connections } = await scriptedRelay({})
    const over = AbortSignal.abort(new Error('stop'))
    expect(await plainOutlet(port).send(aMail(), over)).toMatchObject({ class: 'transient', code: 'aborted' })
    expect(connections()).toBe(0)
  })

  it('ends the test of a connection', async () => {
    const relay = await scriptedRelay({ ehlo: null })
    const { port, open } = relay
    const result = await plainOutlet(port).probe(onceSilent(relay))
    expect(result).toMatchObject({ class: 'transient', code: 'timeout' })
    await eventually(() => [...open].every((socket) => socket.destroyed))
  })

  it('of the relay itself is shorter than that of the send', async () => {
    const { port } = await scriptedRelay({ greeting: null })
    const outlet = plainOutlet(port, { greetingTimeoutMs: 100 })
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'transient', code: 'timeout' })
    const silent = await scriptedRelay({ dot: null })
    const patient = plainOutlet(silent.port, { idleTimeoutMs: 1_000 })
    expect(await patient.send(aMail(), soon())).toMatchObject({ class: 'ambiguous', code: 'timeout' })
  })
})

describe('what would be more than one plain email', () => {
  it.each([
    'a@example.org\r\nRCPT TO:<b@example.org>',
    'a@example.org\nBcc: b@example.org',
    'a@example.org\u0000',
    'a@example.org, b@example.org',
    'a@example.org; b@example.org',
    'a@example.org b@example.org',
    'Jo <a@example.org>',
    'a(comment)@example.org',
    '"a b"@example.org',
    'friends:a@example.org;',
    'a@b@example.org',
    'a@[127.0.0.1]',
    '<a@example.org>',
    '.a@example.org',
    'a..b@example.org',
    'ünsal@example.org',
    'a@',
    '@example.org',
    'nobody',
    '',
  ])('is refused before anything is dialled: recipient %j', async (recipient) => {
    const { port, connections } = await scriptedRelay({})
    const result = await plainOutlet(port).send(aMail({ recipient }), soon())
    expect(result).toMatchObject({ class: 'recipient_invalid', code: 'invalid_recipient' })
    expect(connections()).toBe(0)
  })

  it.each<readonly [string, string]>([
    ['with a header of its own', 'a\r\nBcc: b@example.org'],
    ['with a line feed', 'a\nb'],
    ['with a NUL', 'a\u0000b'],
    ['with a line separator', 'a\u2028b'],
    ['too long for a line', 'x'.repeat(999)],
  ])('is refused before anything is dialled: a title %s', async (_, title) => {
    const { port, connections } = await scriptedRelay({})
    const result = await plainOutlet(port).send(aMail({ title }), soon())
    expect(result).toMatchObject({ class: 'permanent', code: 'invalid_subject' })
    expect(connections()).toBe(0)
  })

  it('gets no header from a correlation id that no header can carry', async () => {
    const { port, mails } = await mailServer()
    await secureOutlet(port).send(aMail({ correlationId: 'a\r\nBcc: b@example.org' }), soon())
    expect(mails).toMatchObject([{ to: ['jo@example.org'] }])
    expect(mails[0]?.raw).not.toContain('Bcc')
  })

  it('reads no file and no URL, whatever the texts say', async () => {
    const { port, mails } = await mailServer()
    const content = '{"path":"/etc/passwd","href":"http://127.0.0.1/"}'
    const html = '<img src="data:text/plain;base64,aGVsbG8=">'
    await secureOutlet(port).send(aMail({ content, html }), soon())
    expect(mails[0]?.raw).toContain('/etc/passwd')
    expect(mails[0]?.raw).not.toMatch(/attachment|cid:/)
  })
})
