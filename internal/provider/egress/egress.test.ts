import { createServer as createTcpServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../testkit/eventually.ts'
import { BlockedAddressError } from './blocked.ts'
import { egress, listen, resolver, send, target } from './loopback.suite.ts'

describe('an egress lets out', () => {
  it('requests to networks of the operator, over one connection that is used again', async () => {
    const { port, requests, connections } = await target()
    const { lookup, calls } = resolver(['127.0.0.1'])
    const out = egress({ allowNets: ['127.0.0.0/8'], plainHttp: false, connections: 1 }, lookup)
    const url = `http://hooks.example:${port}/a?b=1`
    expect(out.check(url)).toBeNull()
    for (let at = 0; at < 20; at++) expect(await send(out, url)).toMatchObject({ statusCode: 200, text: '{}' })
    expect([requests.length, connections(), calls()]).toEqual([20, 1, 1])
    expect(requests[0]?.url).toBe('/a?b=1')
    expect(requests[0]?.headers.host).toBe(`hooks.example:${port}`)
  })

  it('the name of the URL as SNI', async () => {
    const hellos: Buffer[] = []
    const server = createTcpServer((socket) => {
      socket.on('data', (chunk) => {
        hellos.push(chunk)
        socket.destroy()
      })
    })
    const { port } = await listen(server)
    const out = egress({ allowNets: ['127.0.0.0/8'] }, resolver(['127.0.0.1']).lookup)
    await expect(send(out, `https://hooks.example:${port}/`)).rejects.toThrow()
    expect(Buffer.concat(hellos).toString('latin1')).toContain('hooks.example')
  })

  it.each(['localhost', 'api.localhost', 'LOCALHOST.'])(
    '%s to what is allowed of loopback, without a resolver',
    async (host) => {
      const { port } = await target()
      const { lookup, calls } = resolver(['10.0.0.1'])
      const out = egress({ allowNets: ['127.0.0.1'] }, lookup)
      expect(await send(out, `http://${host}:${port}/`)).toMatchObject({ statusCode: 200 })
      expect(calls()).toBe(0)
    },
  )

  it("the operator's own target, but no other port or name that leads there", async () => {
    const own = await target()
    const other = await target()
    const out = egress(
      { trustedUrls: [`http://own.example:${own.port}/hook`], plainHttp: false, ports: [] },
      resolver(['127.0.0.1']).lookup,
    )
    expect(await send(out, `http://own.example:${own.port}/else`)).toMatchObject({ statusCode: 200 })
    await expect(send(out, `http://own.example:${other.port}/`)).rejects.toThrow(BlockedAddressError)
    await expect(send(out, `http://127.0.0.1:${own.port}/`)).rejects.toThrow(BlockedAddressError)
    expect([own.connections(), other.connections()]).toEqual([1, 0])
  })

  it('requests over the next address of a name when the first refuses the connection', async () => {
    const { port } = await target()
    const out = egress({ allowNets: ['127.0.0.0/8'] }, resolver(['127.0.0.9', '127.0.0.1']).lookup)
    expect(await send(out, `http://hooks.example:${port}/`)).toMatchObject({ statusCode: 200 })
  })

  it('nothing to where a redirect points', async () => {
    const { url, requests } = await target((_, response) => {
      response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end()
    })
    const out = egress({ allowNets: ['127.0.0.1'] })
    expect(await send(out, url)).toMatchObject({ statusCode: 302 })
    expect(requests.length).toBe(1)
  })
})

describe('an egress resolves', () => {
  it('once for each connection, and dials the answer that it checked', async () => {
    const allowed = await target(undefined, { host: '127.0.0.2' })
    const victim = await target(undefined, { port: allowed.port })
    const { lookup, calls } = resolver(['127.0.0.2'], ['127.0.0.1'])
    const out = egress({ allowNets: ['127.0.0.2'], nameCacheMs: 0 }, lookup)
    const url = `http://rebind.example:${allowed.port}/`
    expect(await send(out, url)).toMatchObject({ statusCode: 200 })
    expect(calls()).toBe(1)
    for (const socket of allowed.open) socket.destroy()
    // Once the kept connection is gone, the name is asked anew, and its new answer checked anew.
    await eventually(async () => {
      await expect(send(out, url)).rejects.toThrow('its name leads to a loopback address')
    })
    expect([allowed.requests.length, victim.connections()]).toEqual([1, 0])
  })

  it('and refuses a name when one of its addresses is not allowed', async () => {
    const { port, connections } = await target()
    const out = egress({ allowNets: ['127.0.0.1'] }, resolver(['127.0.0.1', '10.0.0.1']).lookup)
    await expect(send(out, `http://mixed.example:${port}/`)).rejects.toThrow('its name leads to a private address')
    expect(connections()).toBe(0)
  })

  it('and keeps the reason when a name does not resolve: that may pass', async () => {
    await expect(send(egress(), 'https://gone.example/')).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })

  it('anew after a connection failed', async () => {
    const { port } = await target()
    const { lookup, calls } = resolver(['127.0.0.9'], ['127.0.0.1'])
    const out = egress({ allowNets: ['127.0.0.0/8'] }, lookup)
    await expect(send(out, `http://moved.example:${port}/`)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(await send(out, `http://moved.example:${port}/`)).toMatchObject({ statusCode: 200 })
    expect(calls()).toBe(2)
  })

  it('and takes no plain http: to a public address unless it is allowed', async () => {
    const { lookup } = resolver(['192.0.2.1', '8.8.8.8'])
    await expect(send(egress({ plainHttp: false }, lookup), 'http://a.example/')).rejects.toThrow('reserved')
    const strict = egress({ plainHttp: false }, resolver(['8.8.8.8']).lookup)
    await expect(send(strict, 'http://a.example/')).rejects.toThrow('http: would send it unencrypted')
    expect(strict.check('http://8.8.8.8/')).toContain('use https:')
    expect(strict.check('https://8.8.8.8/')).toBeNull()
    expect(egress().check('http://8.8.8.8/')).toBeNull()
  })
})

describe('a refusal', () => {
  it('has a stable code and repeats nothing of the URL', async () => {
    const out = egress({}, resolver(['10.0.0.1']).lookup)
    const error = await send(out, 'https://secret.example/token').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(BlockedAddressError)
    expect(error).toMatchObject({
      code: 'blocked_address',
      message: 'the target is not allowed: its name leads to a private address',
    })
  })

  it.each([
    ['https://u@example.com/', 'it may not hold a user name or a password'],
    ['https://:p@example.com/', 'it may not hold a user name or a password'],
    ['ftp://example.com/', 'only https: and http: URLs can be called'],
    ['file:///etc/passwd', 'only https: and http: URLs can be called'],
    ['data:text/plain,x', 'only https: and http: URLs can be called'],
    ['example.com', 'it is no URL'],
    ['https://', 'it is no URL'],
    ['https://exa mple.com/', 'it is no URL'],
    ['https://[fe80::1%25lo]/', 'it is no URL'],
    ['https://1.2.3.4.5/', 'it is no URL'],
    ['https://256.1.1.1/', 'it is no URL'],
    ['https://example.com:22/', 'port 22 is not one of the allowed ports 80, 443, 8080-8090'],
    ['https://a$b.example/', 'its host is neither a name nor an IP address'],
    [`https://${'a'.repeat(64)}.example/`, 'its host is neither a name nor an IP address'],
    ['https://[::ffff:7f00:1]/', 'its host is an IPv4 address inside an IPv6 address'],
  ])('of %s is said when it is entered', (url, problem) => {
    const ports = [80, 443].map((port) => ({ first: port, last: port }))
    const out = egress({ ports: [...ports, { first: 8_080, last: 8_090 }] })
    expect(out.check(url)).toContain(problem)
  })

  it.each([
    'https://example.com/x?y=z',
    'https://exämple.com',
    'https://a_b.example.com:443/',
    'https://example.com./',
  ])('does not meet %s', (url) => expect(egress().check(url)).toBeNull())

  it('is met by settings that cannot be read', () => {
    expect(() => egress({ allowNets: ['10/8'] })).toThrow('found "10/8", expected a network')
    expect(() => egress({ trustedUrls: ['nowhere'] })).toThrow(TypeError)
    expect(() => egress({ proxyUrl: 'nowhere' })).toThrow(TypeError)
  })
})
