import builtInTls from 'smtp-server/lib/tls-options.js'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../testkit/eventually.ts'
import { resolver } from '../egress/loopback.suite.ts'
import { readMail } from './mail.suite.ts'
import { aMail, mailServer, secureOutlet, smtpOutlet, soon } from './relay.suite.ts'

describe('SMTP delivers', () => {
  it('over STARTTLS after a log-in, under an id made of the key', async () => {
    const { port, mails } = await mailServer()
    const mail = aMail({ generation: 2, title: 'Hello' })
    const outlet = secureOutlet(port, { fromName: 'Alerts', replyTo: 'help@example.com', ehloName: 'engine.test' })
    expect(await outlet.send(mail, soon())).toEqual({
      class: 'accepted',
      rule: null,
      code: null,
      message: null,
      statusCode: 250,
      responseExcerpt: '250 2.0.0 Ok: queued as Q1AB',
      providerMessageId: 'Q1AB',
      retryAfterMs: null,
      minDelayMs: null,
      scope: 'connection',
      throttle: null,
    })
    expect(mails).toMatchObject([
      { from: 'alerts@example.com', to: ['jo@example.org'], isSecure: true, user: 'mailer' },
    ])
    const { headers, text } = readMail(mails[0]?.raw ?? '')
    expect(Object.fromEntries(headers)).toMatchObject({
      from: 'Alerts <alerts@example.com>',
      to: 'jo@example.org',
      'reply-to': 'help@example.com',
      subject: 'Hello',
      'message-id': `<${mail.id}.2@example.com>`,
      'x-correlation-id': 'corr-1',
      'mime-version': '1.0',
    })
    expect(Date.parse(headers.get('date') ?? '')).not.toBeNaN()
    expect(text.trimEnd()).toBe('Your code is 123456')
  })

  it('over TLS from the first byte, to a name that was resolved by the guard', async () => {
    const { port, mails } = await mailServer({ secure: true })
    const { lookup, calls } = resolver(['127.0.0.1'])
    // Only "localhost" and 127.0.0.1 stand in the certificate, so the name goes by the search of the resolver.
    const wrong = secureOutlet(port, { host: 'relay.example.com', security: 'tls' }, { lookup })
    expect(await wrong.send(aMail(), soon())).toMatchObject({
      class: 'config',
      code: 'tls_failure',
      rule: 'certificate',
    })
    expect(calls()).toBe(1)
    const right = secureOutlet(port, { host: 'localhost', security: 'tls' }, { lookup })
    expect(await right.send(aMail(), soon())).toMatchObject({ class: 'accepted' })
    expect(mails).toHaveLength(1)
  })

  it('many messages over few connections', async () => {
    const { port, mails, connections } = await mailServer()
    const outlet = secureOutlet(port, { connections: 2 })
    const sent = await Promise.all(Array.from({ length: 12 }, () => outlet.send(aMail(), soon())))
    expect(sent.map((one) => one.class)).toEqual(Array.from({ length: 12 }, () => 'accepted'))
    expect(mails).toHaveLength(12)
    expect(connections()).toBe(2)
    expect(outlet.buckets).toEqual([{ kind: 'concurrency', limit: 2 }])
  })

  it('no more over one connection than it may carry', async () => {
    const { port, mails, connections } = await mailServer()
    const outlet = secureOutlet(port, { connections: 1, messagesPerConnection: 2 })
    for (let sent = 0; sent < 4; sent++) expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'accepted' })
    expect(mails).toHaveLength(4)
    expect(connections()).toBe(2)
  })

  it('and says the same id at every attempt under one key', async () => {
    const { port, mails } = await mailServer()
    const outlet = secureOutlet(port)
    const mail = aMail()
    await outlet.send(mail, soon())
    await outlet.send(mail, soon())
    const ids = mails.map(({ raw }) => readMail(raw).headers.get('message-id'))
    expect(ids).toEqual([`<${mail.id}.0@example.com>`, `<${mail.id}.0@example.com>`])
    expect(outlet.repeatable).toBe(false)
  })
})

describe('what a person reads', () => {
  it.each<readonly [string, string]>([
    ['letters of many scripts', 'Grüße, Ünsal – 日本語 🎉\nÇok güzel: ğüşiöç'],
    ['dots that begin lines', '.\n..\n.hidden\n\n.\nend'],
    ['long lines', `${'x'.repeat(3_000)}\n${'ü'.repeat(1_500)}`],
    ['blanks at ends of lines and equals signs', 'a =3D \n\tb\t\n =\nFrom here'],
    ['8-bit text only', 'ÄÖÜ'.repeat(300)],
    ['dots at a place where text is wrapped', `${'word. '.repeat(40)}\n${'. '.repeat(200)}`],
  ])('is what was sent: %s', async (_, content) => {
    const { port, mails } = await mailServer()
    const title = 'Grüße an Jürgen – eine Betreffzeile, die viel länger ist als eine Zeile einer E-Mail sein soll 🎉🎉'
    const html = `<p>${content}</p>`
    expect(await secureOutlet(port).send(aMail({ content, title, html }), soon())).toMatchObject({ class: 'accepted' })
    const raw = mails[0]?.raw ?? ''
    const mail = readMail(raw)
    expect(mail.headers.get('subject')).toBe(title)
    expect(mail.text.replaceAll('\r\n', '\n').trimEnd()).toBe(content.trimEnd())
    expect(mail.html.replaceAll('\r\n', '\n').trimEnd()).toBe(html)
    expect(Math.max(...raw.split('\r\n').map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(998)
    expect(raw).not.toMatch(/(?<!\r)\n|\r(?!\n)/)
  })

  it('comes from the content alone when there is no html', async () => {
    const { port, mails } = await mailServer()
    await secureOutlet(port).send(aMail({ content: 'first line\nsecond' }), soon())
    const { headers, html } = readMail(mails[0]?.raw ?? '')
    expect(headers.get('subject')).toBe('first line')
    expect(html).toBe('')
  })
})

describe('the test of a connection', () => {
  it('logs in and sends nothing', async () => {
    const { port, mails } = await mailServer()
    const outlet = secureOutlet(port)
    expect(await outlet.probe(soon())).toMatchObject({ class: 'accepted', code: null })
    expect(mails).toHaveLength(0)
  })

  it('tells of a wrong password without repeating it', async () => {
    const { port } = await mailServer()
    const result = await secureOutlet(port, {}, { secrets: { password: 'wrong-sesame' } }).probe(soon())
    expect(result).toMatchObject({ class: 'config', code: 'smtp_535', rule: 'credentials', statusCode: 535 })
    expect(JSON.stringify(result)).not.toContain('sesame')
  })
})

describe('encryption', () => {
  it('is never done without: a relay that has none gets no word of the message', async () => {
    const { port, mails } = await mailServer({
      hideSTARTTLS: true,
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
    })
    expect(await secureOutlet(port).send(aMail(), soon())).toMatchObject({ class: 'config', rule: 'no-starttls' })
    expect(mails).toHaveLength(0)
  })

  it('with a certificate that nobody vouches for holds up the connection', async () => {
    const unknown = await mailServer()
    expect(await secureOutlet(unknown.port, { caCertificate: undefined }).send(aMail(), soon())).toMatchObject({
      class: 'config',
      code: 'tls_failure',
      message: 'no secure connection to the target could be made: DEPTH_ZERO_SELF_SIGNED_CERT',
    })
    expect(unknown.mails).toHaveLength(0)
  })

  it('with a certificate out of date holds up the connection', async () => {
    const { cert: stale = '', key } = builtInTls()
    const { port, mails } = await mailServer({ cert: stale, key })
    const outlet = secureOutlet(port, { host: 'localhost', caCertificate: String(stale) })
    expect(await outlet.send(aMail(), soon())).toMatchObject({
      class: 'config',
      message: 'no secure connection to the target could be made: CERT_HAS_EXPIRED',
    })
    expect(mails).toHaveLength(0)
  })

  it('where the relay speaks none at all is a wrong setting, not a bad moment', async () => {
    const { port } = await mailServer()
    const result = await secureOutlet(port, { security: 'tls' }).send(aMail(), soon())
    expect(result).toMatchObject({ class: 'config', rule: 'no-tls' })
  })
})

describe('close', () => {
  it('hangs up kept connections and takes no more', async () => {
    const { port, open } = await mailServer()
    const outlet = secureOutlet(port)
    await outlet.send(aMail(), soon())
    expect(open.size).toBe(1)
    await outlet.close()
    await outlet.close()
    await eventually(() => [...open].every((socket) => socket.destroyed))
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'transient', code: 'provider_stopped' })
  })

  it('lets a message under way arrive', async () => {
    const answers: (() => void)[] = []
    const { port } = await mailServer({
      onData(stream, _session, done) {
        stream.resume().on('end', () => answers.push(() => done(null, 'ok')))
      },
    })
    const outlet = secureOutlet(port, {}, { stopMaxMs: 10_000 })
    const sending = outlet.send(aMail(), soon())
    await eventually(() => answers.length === 1)
    const closing = outlet.close()
    answers[0]?.()
    expect(await sending).toMatchObject({ class: 'accepted' })
    await closing
  })

  it('cuts what takes too long, and knows which of it may have arrived', async () => {
    let waiting = 0
    const { port } = await mailServer({ onData: (stream) => void stream.resume().on('end', () => waiting++) })
    const outlet = secureOutlet(port, { connections: 1 }, { stopMaxMs: 50 })
    const first = outlet.send(aMail(), soon())
    await eventually(() => waiting === 1)
    const queued = outlet.send(aMail(), soon())
    await outlet.close()
    expect(await first).toMatchObject({ class: 'ambiguous', code: 'provider_stopped' })
    expect(await queued).toMatchObject({ class: 'transient', code: 'provider_stopped' })
  })
})

describe('the guard', () => {
  it.each<readonly [string, string, readonly string[]]>([
    ['a private address', '127.0.0.1', []],
    ['localhost', 'localhost', []],
    ['an address in other words', '2130706433', []],
    ['an address inside another', '::ffff:127.0.0.1', ['127.0.0.0/8']],
  ])('refuses %s before it is dialled', async (_, host, allowNets) => {
    const { port, connections } = await mailServer()
    const outlet = secureOutlet(port, { host }, { allowNets })
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'permanent', code: 'blocked_address' })
    expect(connections()).toBe(0)
  })

  it('refuses a name one of whose addresses is private', async () => {
    const { port, connections } = await mailServer()
    const { lookup } = resolver(['93.184.215.14', '127.0.0.1'])
    const outlet = secureOutlet(port, { host: 'relay.example.com' }, { lookup, allowNets: [] })
    expect(await outlet.send(aMail(), soon())).toMatchObject({
      class: 'permanent',
      code: 'blocked_address',
      message: 'the target is not allowed: its name leads to a loopback address',
    })
    expect(connections()).toBe(0)
  })

  it('waits for no name that cannot be resolved', async () => {
    const outlet = smtpOutlet({ host: 'relay.example.com' })
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'transient', code: 'dns_failure' })
  })
})
