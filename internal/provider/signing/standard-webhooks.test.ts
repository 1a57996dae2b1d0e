import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { request } from 'undici'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { signingSecretProblem, signStandardWebhook } from './standard-webhooks.ts'

const secretOf = (key: Uint8Array) => `whsec_${Buffer.from(key).toString('base64')}`
const newSigningSecret = () => secretOf(randomBytes(32))
const anyKey = fc.uint8Array({ minLength: 24, maxLength: 64 })
const anySecret = anyKey.map(secretOf)
const anyId = fc.stringMatching(/^[!-\-/-~]{1,60}$/)
const anyTimestamp = fc.integer({ min: 0, max: 4_102_444_800 })
/** Any text, lone surrogates and all, since both sides must come to the same bytes. */
const anyBody = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.json())

/** What a receiver with the public library says; it throws when the signature is not right. */
function verify(secret: string, body: string | Buffer, signed: { id: string; at: number; signature: string }) {
  const headers = {
    'webhook-id': signed.id,
    'webhook-timestamp': String(signed.at),
    'webhook-signature': signed.signature,
  }
  new Webhook(secret).verify(body, headers, { jsonParse: false })
}

describe('signStandardWebhook', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] })) // the library compares the timestamp with today
  afterEach(() => void vi.useRealTimers())

  it('is verified by the public library, whichever of the secrets the receiver has', () => {
    fc.assert(
      fc.property(
        anyId,
        anyTimestamp,
        anyBody,
        fc.array(anySecret, { minLength: 1, maxLength: 4 }),
        (id, at, text, secrets) => {
          vi.setSystemTime(at * 1_000)
          const bytes = Buffer.from(text)
          const signature = signStandardWebhook({ id, timestampSeconds: at, body: bytes, secrets })
          for (const secret of secrets) verify(secret, bytes, { id, at, signature })
          expect(signStandardWebhook({ id, timestampSeconds: at, body: text, secrets })).toBe(signature)
        },
      ),
    )
  })

  it('is refused by the public library when a byte of the body, the id or the time is another one', () => {
    fc.assert(
      fc.property(anyId, anyTimestamp, anyBody, anySecret, (id, at, body, secret) => {
        vi.setSystemTime(at * 1_000)
        const signature = signStandardWebhook({ id, timestampSeconds: at, body, secrets: [secret] })
        expect(() => verify(secret, `${body} `, { id, at, signature })).toThrow('No matching signature')
        expect(() => verify(secret, body, { id: `${id}x`, at, signature })).toThrow('No matching signature')
        expect(() => verify(secret, body, { id, at: at + 1, signature })).toThrow('No matching signature')
        expect(() => verify(newSigningSecret(), body, { id, at, signature })).toThrow('No matching signature')
      }),
    )
  })

  it('signs the very bytes that undici sends', async () => {
    const received: { body: Buffer; signature: string }[] = []
    const server = createServer((incoming, response) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        received.push({ body: Buffer.concat(chunks), signature: String(incoming.headers['webhook-signature']) })
        response.end()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const secret = newSigningSecret()
    const [id, at, body] = ['msg_1', 1_700_000_000, '{"text":"Grüße 👋 \ud800"}']
    vi.setSystemTime(at * 1_000)
    const signature = signStandardWebhook({ id, timestampSeconds: at, body, secrets: [secret] })
    const headers = { 'webhook-signature': signature, connection: 'close' }
    await request(`http://127.0.0.1:${port}`, { method: 'POST', body, headers })
    verify(secret, received[0]?.body ?? '', { id, at, signature: received[0]?.signature ?? '' })
  })

  it('gives the example of the specification', () => {
    const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek'
    const secrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']
    expect(signStandardWebhook({ id, timestampSeconds: 1_614_265_330, body: '{"test": 2432232314}', secrets })).toBe(
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    )
  })

  it.each([
    [{ id: 'a.1' }, 'without blanks and dots'],
    [{ id: '' }, 'without blanks and dots'],
    [{ id: 'a b' }, 'without blanks and dots'],
    [{ id: 'ä' }, 'without blanks and dots'],
    [{ timestampSeconds: 1.5 }, 'found 1.5'],
    [{ timestampSeconds: -1 }, 'found -1'],
    [{ secrets: [] }, 'found none'],
    [{ secrets: ['whsec_AAAA'] }, 'found 3 bytes'],
  ])('refuses %j', (change, message) => {
    const content = { id: 'a', timestampSeconds: 1, body: '', secrets: [newSigningSecret()], ...change }
    expect(() => signStandardWebhook(content)).toThrow(message)
  })
})

describe('a signing secret', () => {
  it('is good with 24 to 64 bytes', () => {
    fc.assert(fc.property(anySecret, (secret) => signingSecretProblem(secret) === null))
  })

  it.each([
    ['', 'found no whsec_'],
    ['WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'found no whsec_'],
    ['MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'found no whsec_'],
    ['whsec_', 'found 0 bytes'],
    [secretOf(new Uint8Array(23)), 'found 23 bytes'],
    [secretOf(new Uint8Array(65)), 'found 65 bytes'],
    ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n', 'is not base64'],
    ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_', 'is not base64'],
    [secretOf(new Uint8Array(32)).slice(0, -1), 'is not base64'],
    ['whsec_not base64 at all, as one can see', 'is not base64'],
  ])('%j is refused with what is wrong, and not repeated', (secret, message) => {
    const problem = signingSecretProblem(secret)
    expect(problem).toContain(message)
    expect(problem).toContain('expected whsec_ and base64 of 24 to 64 bytes')
    expect(problem).not.toContain(secret.slice(6) || 'nothing')
  })
})
