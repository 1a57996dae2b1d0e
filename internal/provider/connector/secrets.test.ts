import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redact } from '../text.ts'
import { connectorOf, exampleMessage, httpTarget, senderOf } from './example.suite.ts'
import { secretsOf } from './secrets.ts'

const password = 'sesame-open-key'
const withPassword = { config: { url: { type: 'url' }, password: { type: 'string', secret: true } } }

describe('secretsOf', () => {
  it('names all secrets: those inside JSON, and the parts of a secret URL', () => {
    const url = 'https://hooks.example.com/services/T0/B0/abcdefghijklmnopqrstuvwx'
    const connector = connectorOf({
      config: {
        url: { type: 'url', secret: true },
        account: { type: 'json', secret: true },
        secrets: { type: 'strings', secret: true },
        region: { type: 'string' },
      },
    })
    const config = {
      url,
      account: { a: { b: ['deep-secret'] }, short: 'x' },
      secrets: ['whsec_1', 'whsec_2'],
      region: 'eu-central',
    }
    const secrets = secretsOf(connector, config)
    expect(secrets).toEqual(
      expect.arrayContaining([
        url,
        '/services/T0/B0/abcdefghijklmnopqrstuvwx',
        'abcdefghijklmnopqrstuvwx',
        'deep-secret',
        'whsec_1',
        'whsec_2',
      ]),
    )
    expect(secrets).not.toContain('x')
    expect(secrets).not.toContain('eu-central')
  })

  it('knows them inside base64, wherever they begin there', () => {
    const secret = fc.string({ minLength: 6, unit: 'binary' }).filter((text) => text.isWellFormed())
    fc.assert(
      fc.property(
        fc.string(),
        secret,
        fc.string(),
        fc.constantFrom('base64', 'base64url'),
        (before, own, after, as) => {
          const text = Buffer.from(before + own + after).toString(as)
          const secrets = secretsOf(connectorOf(withPassword), { password: own })
          const safe = redact(text, secrets, true)
          expect(safe).toContain('[redacted]')
          const left = safe.split('[redacted]').map((part) => Buffer.from(part, as).toString())
          for (const part of left) expect(part).not.toContain(own)
        },
      ),
    )
  })
})

describe('what a provider echoes', () => {
  /** An answer that says back all it was sent. */
  async function echoed(request: Readonly<Record<string, unknown>>, parts: Readonly<Record<string, unknown>> = {}) {
    const { url } = await httpTarget((asked, response, { body }) => {
      response.writeHead(400, { 'content-type': 'text/plain' })
      response.end(`${asked.url} ${JSON.stringify(asked.headers)} ${body}`)
    })
    const describing = { describe: { message: { text: true } } }
    const whole = { ...withPassword, ...describing, ...parts, request: { url: '{{ config.url }}', ...request } }
    const result = await senderOf({ url, password }, whole).send()
    expect(result.responseExcerpt).toContain('[redacted]')
    return JSON.stringify(result)
  }

  const pair = "{{ 'me:' | append: config.password | base64_encode }}"
  const encoded = Buffer.from(`me:${password}`).toString('base64')

  it.each([
    ['a header with a scheme', { headers: { authorization: `Basic ${pair}` } }],
    ['a header of another name', { headers: { 'x-login': `Basic ${pair}` } }],
    ['a header without a scheme', { headers: { 'x-login': pair } }],
    ['the query', { query: { login: pair } }],
    ['the body', { body: { deep: [{ login: pair }] } }],
  ])('is stored without credentials that a template makes, in %s', async (_, request) => {
    const stored = await echoed(request)
    expect(stored).not.toContain(encoded)
    expect(stored).not.toContain(encodeURIComponent(encoded))
    expect(stored).not.toContain(password)
  })

  it('is stored without what a template makes of a secret and the message', async () => {
    const stored = await echoed({
      headers: { 'x-sign': '{{ message.id | append: config.password | upcase }}' },
    })
    expect(stored).not.toContain(`${exampleMessage.id}${password}`.toUpperCase())
  })

  it('is stored without a key that is made of several fields', async () => {
    const auth = { kind: 'api_key', in: 'header', name: 'x-key', value: "{{ config.password | replace: '-', '.' }}" }
    expect(await echoed({}, { auth })).not.toContain(password.replaceAll('-', '.'))
  })
})
