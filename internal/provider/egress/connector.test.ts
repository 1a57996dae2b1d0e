import { once } from 'node:events'
import { Pool } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AddressRules } from './address-rules.ts'
import { guardedConnector } from './connector.ts'
import { target, toLookupAddress } from './loopback.suite.ts'
import { type Target, TargetRules } from './target-rules.ts'

const settings = { ports: [{ first: 1, last: 65_535 }], plainHttp: true, trustedUrls: [], behindProxy: false }

/** Changes its mind after the look-up: as if the connection had come out somewhere else. */
class FickleRules extends TargetRules {
  #judged = 0

  override addressProblem(one: Target, address: string): string | null {
    this.#judged++
    return this.#judged === 1 ? null : super.addressProblem(one, address)
  }
}

describe('guardedConnector', () => {
  it('drops a connection that came out where it may not, before anything is written', async () => {
    const { port, requests, open, connections } = await target()
    const rules = new FickleRules(new AddressRules({ allowNets: [], denyNets: [] }), settings)
    const names = { resolve: async () => [toLookupAddress('127.0.0.1')], forget: () => undefined }
    const url = new URL(`http://astray.example:${port}`)
    const connect = guardedConnector(rules.read(url), { rules, names, connectTimeoutMs: 3_000 })
    const pool = new Pool(url, { connect })
    onTestFinished(() => pool.destroy())
    await expect(pool.request({ path: '/', method: 'POST', body: 'x' })).rejects.toMatchObject({
      code: 'blocked_address',
      message: 'the target is not allowed: its name leads to a loopback address',
    })
    await Promise.all([...open].map((socket) => once(socket, 'close')))
    expect([connections(), requests.length]).toEqual([1, 0])
  })
})
