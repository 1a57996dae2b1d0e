import { describe, expect, it } from 'vitest'
import { proxy } from '../egress/loopback.suite.ts'
import { aMail, mailServer, plainOutlet, scriptedRelay, secureOutlet, soon } from './relay.suite.ts'

const host = 'proxied.example.com'

describe('mail through the proxy of the operator', () => {
  it('goes to a name that the proxy resolves, encrypted with the relay itself and logged in there', async () => {
    const { port, mails } = await mailServer()
    const through = await proxy(port)
    const outlet = secureOutlet(587, { host }, { proxyUrl: through.url.replace('//', '//user:p%40ss@') })
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'accepted', providerMessageId: 'Q1AB' })
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'accepted' })
    expect(mails).toMatchObject([{ isSecure: true, user: 'mailer' }, { isSecure: true }])
    expect(through.asked.map(({ method, url }) => `${method} ${url}`)).toEqual([`CONNECT ${host}:587`])
    expect(through.asked[0]?.headers['proxy-authorization']).toBe(`Basic ${btoa('user:p@ss')}`)
  })

  it('goes over TLS from the first byte, and is tested the same way', async () => {
    const { port, mails } = await mailServer({ secure: true })
    const through = await proxy(port)
    const outlet = secureOutlet(465, { host, security: 'tls' }, { proxyUrl: through.url })
    expect(await outlet.probe(soon())).toMatchObject({ class: 'accepted' })
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'accepted' })
    expect(mails).toHaveLength(1)
    expect(through.asked.map(({ url }) => url)).toEqual([`${host}:465`, `${host}:465`])
  })

  it('is not sent to a relay whose certificate is for another name', async () => {
    const { port, mails } = await mailServer()
    const through = await proxy(port)
    const outlet = secureOutlet(587, { host: 'other.example.com' }, { proxyUrl: through.url })
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'config', rule: 'certificate' })
    expect(mails).toEqual([])
  })

  it.each([
    ['unencrypted', 587, { security: 'none' }, 'security none would send it unencrypted'],
    ['to a port that is none for mail', 8_025, { security: 'starttls' }, 'port 8025 is not one of the ports for mail'],
  ])('is refused %s before the proxy hears of it', async (_, port, change, reason) => {
    const through = await proxy(1)
    const outlet = plainOutlet(port, { host, ...change }, { proxyUrl: through.url })
    expect(await outlet.send(aMail(), soon())).toMatchObject({
      class: 'permanent',
      code: 'blocked_address',
      message: expect.stringContaining(reason),
    })
    expect(through.asked).toEqual([])
  })

  it.each(['127.0.0.1', 'localhost'])('goes to %s directly, which the operator allowed', async (direct) => {
    const { port, commands } = await scriptedRelay()
    const through = await proxy(1)
    const outlet = plainOutlet(port, { host: direct }, { proxyUrl: through.url })
    expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'accepted' })
    expect(commands).toContain('DATA')
    expect(through.asked).toEqual([])
  })

  it('is refused for good where the proxy refuses the target, and tried again where the proxy fails', async () => {
    const refusing = await proxy(1, 'HTTP/1.1 403 Forbidden\r\n\r\n')
    const blocked = secureOutlet(587, { host }, { proxyUrl: refusing.url })
    expect(await blocked.send(aMail(), soon())).toMatchObject({
      class: 'permanent',
      code: 'blocked_address',
      message: expect.stringContaining('the egress proxy refused it'),
    })
    for (const answer of ['HTTP/1.1 407 Password\r\n\r\n', 'HTTP/1.1 502 Bad Gateway\r\n\r\n', '']) {
      const failing = await proxy(1, answer)
      const outlet = secureOutlet(587, { host }, { proxyUrl: failing.url })
      expect(await outlet.send(aMail(), soon())).toMatchObject({ class: 'transient', code: 'egress_proxy' })
    }
  })

  it('hears the greeting of a relay that comes together with the answer of the proxy', async () => {
    const through = await proxy(1, 'HTTP/1.1 200 OK\r\n\r\n554 5.7.1 not from you\r\n')
    const outlet = secureOutlet(587, { host }, { proxyUrl: through.url })
    expect(await outlet.send(aMail(), soon())).toMatchObject({ code: 'smtp_554' })
  })
})
