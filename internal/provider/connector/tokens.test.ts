import { createLocalJWKSet, exportJWK, exportPKCS8, generateKeyPair, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../testkit/manual-clock.ts'
import { httpTarget, senderOf } from './example.suite.ts'

const common = { url: { type: 'url', required: true, example: 'https://example.com' } }
const client = {
  config: { ...common, id: { type: 'string' }, secret: { type: 'string', secret: true } },
  auth: {
    kind: 'oauth2_client_credentials',
    tokenUrl: '{{ config.url }}/token',
    clientId: '{{ config.id }}',
    clientSecret: '{{ config.secret }}',
    scope: 'send',
  },
}

/** A provider and its token endpoint: tokens are `token-1`, `token-2` …; only those in `valid` are taken. */
async function setup(
  parts: Readonly<Record<string, unknown>> = client,
  options: {
    readonly expiresIn?: number
    readonly refuseAll?: boolean
    readonly token?: (count: number) => { status: number; body: unknown } | null
  } = {},
) {
  const clock = new ManualClock()
  const revoked = new Set<string>()
  let issued = 0
  const target = await httpTarget((_, response, { url, headers }) => {
    if (url === '/token') {
      issued += 1
      const answer = options.token?.(issued) ?? {
        status: 200,
        body: { access_token: `token-${issued}`, expires_in: options.expiresIn ?? 3_600 },
      }
      response.statusCode = answer.status
      return response.end(JSON.stringify(answer.body))
    }
    const token = headers.authorization?.replace('Bearer ', '') ?? ''
    response.statusCode = options.refuseAll === true || revoked.has(token) ? 401 : 200
    return response.end(JSON.stringify({ echo: token }))
  })
  const { send, sender } = senderOf({ url: target.url, id: 'me:1', secret: 'sesame open' }, parts, clock)
  const sent = () => target.requests.filter(({ url }) => url === '/send').map(({ headers }) => headers.authorization)
  const asked = () => target.requests.filter(({ url }) => url === '/token')
  return { clock, revoked, send, sender, sent, asked }
}

describe('access tokens', () => {
  it('are asked for with the client credentials, and kept', async () => {
    const { send, sent, asked } = await setup()
    expect(await send()).toMatchObject({ class: 'accepted' })
    await send()
    expect(sent()).toEqual(['Bearer token-1', 'Bearer token-1'])
    expect(asked()).toEqual([
      expect.objectContaining({
        body: 'grant_type=client_credentials&scope=send',
        headers: expect.objectContaining({ authorization: `Basic ${btoa('me%3A1:sesame+open')}` }),
      }),
    ])
  })

  it('are asked for once, however many wait', async () => {
    const { send, sent, asked } = await setup()
    await Promise.all(Array.from({ length: 20 }, () => send()))
    expect([asked().length, sent().length]).toEqual([1, 20])
  })

  it('are renewed a minute before their end', async () => {
    const { clock, send, sent } = await setup()
    await send()
    await clock.advance(3_539_000)
    await send()
    await clock.advance(2_000)
    await send()
    expect(sent()).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-2'])
  })

  it('that live shorter than that are still used for most of their life', async () => {
    const { clock, send, asked } = await setup(client, { expiresIn: 10 })
    await send()
    await clock.advance(8_900)
    await send()
    expect(asked()).toHaveLength(1)
  })

  it('that are refused are dropped, and the message goes out once more', async () => {
    const { revoked, send, sent, asked } = await setup()
    await send()
    revoked.add('token-1')
    expect(await send()).toMatchObject({ class: 'accepted' })
    expect(sent()).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-2'])
    expect(asked()).toHaveLength(2)
  })

  it('that are refused though they are new are not asked for over and over', async () => {
    const { send, sent, asked } = await setup(
      { ...client, errors: [{ match: { status: [401] }, class: 'config' }] },
      { refuseAll: true },
    )
    expect(await send()).toMatchObject({ class: 'config', statusCode: 401 })
    expect([sent().length, asked().length]).toEqual([1, 1])
  })

  it('are refreshed once for many that are refused together', async () => {
    const { revoked, send, asked, sent } = await setup()
    await send()
    revoked.add('token-1')
    const results = await Promise.all(Array.from({ length: 10 }, () => send()))
    expect(results.every((one) => one.class === 'accepted')).toBe(true)
    expect([asked().length, sent().length]).toEqual([2, 21])
  })

  it.each([
    [
      { status: 400, body: { error: 'invalid_client', error_description: 'sesame open' } },
      'config',
      'token_invalid_client',
    ],
    [{ status: 503, body: 'busy' }, 'transient', 'token_http_503'],
    [{ status: 429, body: {} }, 'rate_limited', 'token_http_429'],
    [{ status: 200, body: { token: 'x' } }, 'config', 'token_http_200'],
    [{ status: 200, body: { access_token: 'a\r\nb' } }, 'config', 'token_http_200'],
  ])('that are not given (%j) let nothing be sent', async (answer, answerClass, code) => {
    const { send, sent } = await setup(client, { token: (count) => (count === 1 ? answer : null) })
    const result = await send()
    expect(result).toMatchObject({ class: answerClass, code, statusCode: answer.status })
    expect(JSON.stringify(result)).not.toContain('sesame')
    expect(sent()).toEqual([])
    expect(await send()).toMatchObject({ class: 'accepted' })
  })

  it('are taken out of what is stored', async () => {
    const { send } = await setup()
    const result = await send()
    expect(result.responseExcerpt).toBe('{"echo":"[redacted]"}')
  })

  it('are asked for with a signed assertion', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
    const jwt = {
      config: { ...common, id: { type: 'string' }, secret: { type: 'string', secret: true } },
      auth: {
        kind: 'oauth2_jwt_bearer',
        tokenUrl: '{{ config.url }}/token',
        issuer: '{{ config.id }}',
        privateKey: await exportPKCS8(privateKey),
        keyId: 'k1',
        scope: 'push',
      },
    }
    const { clock, send, asked, sent } = await setup(jwt)
    expect(await send()).toMatchObject({ class: 'accepted' })
    const form = new URLSearchParams(asked()[0]?.body)
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }] })
    const { payload } = await jwtVerify(form.get('assertion') ?? '', keys, { currentDate: clock.now() })
    const nowSeconds = clock.now().getTime() / 1_000
    expect(payload).toMatchObject({
      iss: 'me:1',
      scope: 'push',
      iat: nowSeconds,
      exp: nowSeconds + 3_600,
      aud: expect.stringContaining('/token'),
    })
    expect(sent()).toEqual(['Bearer token-1'])
  })

  it('cannot be had with a key that is none', async () => {
    const jwt = {
      ...client,
      auth: {
        kind: 'oauth2_jwt_bearer',
        tokenUrl: '{{ config.url }}/token',
        issuer: 'x',
        privateKey: '{{ config.secret }}',
      },
    }
    const { send, asked } = await setup(jwt)
    expect(await send()).toMatchObject({ class: 'config', code: 'bad_private_key' })
    expect(asked()).toEqual([])
  })

  it('that do not come in time keep the message from being sent', async () => {
    const { clock, send, sent } = await setup(client, { token: () => ({ status: 200, body: 'x'.repeat(10) }) })
    const call = new AbortController()
    const sending = send({}, call.signal)
    call.abort()
    expect(await sending).toMatchObject({ class: 'transient', code: 'aborted' })
    await clock.advance(0)
    expect(sent()).toEqual([])
  })
})
