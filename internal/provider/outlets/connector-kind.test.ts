import { Agent } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../lifecycle/system-clock.ts'
import { parseConnector } from '../connector/document.ts'
import { kindOfConnector } from './connector-kind.ts'
import { aMessage, connectorText, target } from './outlets.suite.ts'

function outletTo(url: string, more: Readonly<Record<string, unknown>> = {}) {
  const parsed = parseConnector(connectorText('example', more), 'example.yaml')
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  const dispatcher = new Agent({ keepAliveTimeout: 1_000 })
  onTestFinished(() => dispatcher.destroy())
  const kind = kindOfConnector(parsed.connector, { dispatcher, clock: systemClock, version: '1.2.3' })
  const checked = kind?.check({ url, token: 'tok_sesame' })
  if (kind === null || checked?.ok !== true) throw new Error('the connector is wrong')
  return kind.open('main', checked.config)
}

const soon = () => AbortSignal.timeout(10_000)

describe('a connection made of a connector document', () => {
  it('sends a notification, and tells what became of it in the terms of the router', async () => {
    const { url, seen } = await target(200)
    const outlet = outletTo(url)
    expect(await outlet.send(aMessage(), soon())).toMatchObject({ class: 'accepted', rule: null, statusCode: 200 })
    expect(seen).toEqual([
      { url: '/send', authorization: 'Bearer tok_sesame', body: '{"to":"+15550100","text":"Hello"}' },
    ])
  })

  it('names the rule that matched, or its place, and shows no secret', async () => {
    const { url } = await target(401, '{"error":"tok_sesame is unknown"}')
    const result = await outletTo(url).send(aMessage(), soon())
    expect(result).toMatchObject({ class: 'config', rule: 'credentials', code: 'http_401' })
    expect(JSON.stringify(result)).not.toContain('sesame')
    const errors = [
      { match: { status: [500] }, class: 'permanent' },
      { match: { status: [401] }, class: 'config' },
    ]
    expect((await outletTo(url, { errors }).send(aMessage(), soon())).rule).toBe('errors[1]')
  })

  it('is tested without sending', async () => {
    const { url, seen } = await target(200)
    expect(await outletTo(url).probe(soon())).toMatchObject({ class: 'accepted' })
    expect(seen.map((one) => one.url)).toEqual(['/me'])
    expect(await outletTo(url, { probe: undefined }).probe(soon())).toBeNull()
  })

  it('declares its limits as buckets, bursts of a tenth where none is said, and counts segments', async () => {
    const outlet = outletTo('http://127.0.0.1:1')
    expect(outlet.buckets).toEqual([
      { kind: 'rate', scope: 'connection', limit: 50, perMs: 1_000, burst: 5, cost: 'message' },
      { kind: 'rate', scope: 'recipient', limit: 1, perMs: 5_000, burst: 3, cost: 'segments' },
      { kind: 'concurrency', limit: 4 },
    ])
    expect(outlet.segments(aMessage({ content: 'x'.repeat(161) }))).toBe(2)
    expect(outletTo('http://127.0.0.1:1', { rates: [] }).segments(aMessage({ content: 'x'.repeat(161) }))).toBe(1)
  })

  it('says whether its receiver drops a repeat', () => {
    expect(outletTo('http://127.0.0.1:1').repeatable).toBe(false)
    const idempotency = { in: 'header', name: 'idempotency-key' }
    expect(outletTo('http://127.0.0.1:1', { idempotency }).repeatable).toBe(true)
  })
})
