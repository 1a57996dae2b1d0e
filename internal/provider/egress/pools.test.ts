import { describe, expect, it } from 'vitest'
import { eventually } from '../../testkit/eventually.ts'
import { egress, send, target } from './loopback.suite.ts'

const allowNets = ['127.0.0.1']

describe('OriginPools', () => {
  it('close the idle pool that was used longest ago when there are too many', async () => {
    const targets = await Promise.all([target(), target(), target()])
    const [a, b, c] = targets
    const out = egress({ allowNets, originsMax: 2 })
    for (const { url } of [a, b, a, c]) await send(out, url)
    await eventually(() => b.open.size === 0)
    expect([a.open.size > 0, c.open.size > 0]).toEqual([true, true])
    expect(await send(out, b.url)).toMatchObject({ statusCode: 200 })
  })

  it('let a busy pool finish before they close it', async () => {
    const waiting: (() => void)[] = []
    const busy = await target((_, response) => waiting.push(() => response.end('late')))
    const other = await target()
    const out = egress({ allowNets, originsMax: 1 })
    const late = [send(out, busy.url), send(out, busy.url)]
    await eventually(() => busy.requests.length === 2)
    await send(out, other.url)
    for (const answer of waiting) answer()
    expect(await Promise.all(late)).toMatchObject([{ text: 'late' }, { text: 'late' }])
    await eventually(() => busy.open.size === 0)
  })

  it('keep one pool for all spellings of an origin', async () => {
    const { port, connections } = await target()
    const out = egress({ allowNets, connections: 1 })
    for (const origin of ['http://127.0.0.1', 'HTTP://127.1', 'http://0x7f000001', 'http://u:p@127.0.0.1']) {
      expect(await send(out, `${origin}:${port}/`)).toMatchObject({ statusCode: 200 })
      const { statusCode, body } = await out.dispatcher.request({
        origin: `${origin}:${port}`,
        path: '/',
        method: 'GET',
      })
      await body.dump()
      expect(statusCode).toBe(200)
    }
    expect(connections()).toBe(1)
  })

  it('refuse what is no origin, and everything once they are closed', async () => {
    const { url } = await target()
    const out = egress({ allowNets })
    for (const origin of ['nowhere', 'ftp://example.com', 'data:x']) {
      expect(() => out.dispatcher.dispatch({ origin, path: '/', method: 'GET' }, {})).toThrow()
    }
    await out.close()
    await expect(send(out, url)).rejects.toMatchObject({ code: 'UND_ERR_CLOSED' })
    await out.close()
  })
})

describe('a stop', () => {
  it('waits for requests under way', async () => {
    const waiting: (() => void)[] = []
    const { url, requests, open } = await target((_, response) => waiting.push(() => response.end('done')))
    const out = egress({ allowNets, stopMaxMs: 60_000 })
    const answer = send(out, url)
    await eventually(() => requests.length === 1)
    const stopped = out.close()
    for (const one of waiting) one()
    expect(await answer).toMatchObject({ text: 'done' })
    await stopped
    await eventually(() => open.size === 0)
  })

  it('cuts what takes too long, and what still waits for a connection', async () => {
    const { url, requests, open } = await target(() => undefined)
    const out = egress({ allowNets, stopMaxMs: 50, connections: 1 })
    const sends = [send(out, url), send(out, url)].map((one) => one.catch((error: unknown) => error))
    await eventually(() => requests.length === 1)
    await out.close()
    for (const error of await Promise.all(sends)) expect(error).toMatchObject({ code: 'UND_ERR_DESTROYED' })
    await eventually(() => open.size === 0)
  })
})
