import { describe, expect, it } from 'vitest'
import { BlockedAddressError } from './blocked.ts'
import { egress, proxy, send, target } from './loopback.suite.ts'

describe('an egress through a proxy', () => {
  it('tunnels to names, which the proxy resolves, and keeps the tunnel', async () => {
    const { port, requests } = await target()
    const through = await proxy(port)
    const out = egress({ proxyUrl: through.url.replace('//', '//user:p%40ss@'), connections: 1 })
    for (let at = 0; at < 3; at++) {
      expect(await send(out, 'http://hooks.example/x')).toMatchObject({ statusCode: 200, text: '{}' })
    }
    expect(through.asked.map(({ url }) => url)).toEqual(['hooks.example:80'])
    expect(through.asked[0]?.headers['proxy-authorization']).toBe(
      `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
    )
    expect(requests.map(({ headers }) => headers.host)).toEqual(Array.from({ length: 3 }, () => 'hooks.example'))
    expect(requests[0]?.headers['proxy-authorization']).toBeUndefined()
  })

  it('asks for TLS with the target inside the tunnel', async () => {
    const { port } = await target()
    const through = await proxy(port)
    const out = egress({ proxyUrl: through.url })
    await expect(send(out, 'https://hooks.example/x')).rejects.toMatchObject({
      code: expect.stringMatching(/SSL|EPROTO|ECONNRESET/),
    })
    expect(through.asked.map(({ url }) => url)).toEqual(['hooks.example:443'])
  })

  it('asks it for nothing that is refused as it is written', async () => {
    const through = await proxy(1)
    const out = egress({ proxyUrl: through.url, plainHttp: false, ports: [{ first: 443, last: 443 }] })
    for (const url of ['https://127.0.0.1/', 'https://localhost/', 'https://[fd00::1]/', 'https://a.example:22/']) {
      await expect(send(out, url)).rejects.toThrow(BlockedAddressError)
      expect(out.check(url)).not.toBeNull()
    }
    await expect(send(out, 'http://a.example:443/')).rejects.toThrow('use https:')
    expect(through.asked).toEqual([])
  })

  it("dials the operator's own addresses itself", async () => {
    const { url } = await target()
    const through = await proxy(1)
    const out = egress({ proxyUrl: through.url, trustedUrls: [url] })
    expect(await send(out, url)).toMatchObject({ statusCode: 200 })
    expect(through.asked).toEqual([])
  })

  it.each(['HTTP/1.1 403 Forbidden\r\n\r\n', 'HTTP/1.1 407 Rejected\r\nX-Smokescreen-Error: private\r\n\r\n'])(
    'takes its refusal for one of the target (%j)',
    async (refusal) => {
      const out = egress({ proxyUrl: (await proxy(1, refusal)).url })
      await expect(send(out, 'https://a.example/')).rejects.toThrow('the egress proxy refused it')
    },
  )

  it.each(['HTTP/1.1 407 Password\r\n\r\n', 'HTTP/1.1 502 Bad Gateway\r\n\r\n', ''])(
    'takes every other failure for one of the proxy (%j)',
    async (failure) => {
      const through = await proxy(1, failure)
      const out = egress({ proxyUrl: through.url })
      await expect(send(out, 'https://a.example/')).rejects.toMatchObject({ code: 'egress_proxy' })
      expect(through.asked.length).toBe(1)
    },
  )

  it('says so when there is no proxy', async () => {
    const out = egress({ proxyUrl: 'http://127.0.0.1:1' })
    await expect(send(out, 'https://a.example/')).rejects.toMatchObject({ code: 'egress_proxy' })
  })
})
