import { createHmac } from 'node:crypto'

export interface SignedContent {
  /** Goes into `webhook-id`: the same for every try of one message. Printable ASCII without blanks and dots. */
  readonly id: string
  /** Goes into `webhook-timestamp`: the time of this try, whole seconds since 1970. */
  readonly timestampSeconds: number
  /** The body exactly as it is sent; a string stands for its UTF-8 bytes. */
  readonly body: string | Uint8Array
  /** `whsec_…` each, at least one. */
  readonly secrets: readonly string[]
}

const prefix = 'whsec_'
const keyBytesMin = 24
const keyBytesMax = 64

/**
 * The value of the header `webhook-signature` (Standard Webhooks): `v1,<base64>` for each secret, in their order, with
 * a blank between. It is the HMAC-SHA256 of `id.timestamp.body`.
 * @throws TypeError when a part cannot be signed; the message holds no secret.
 */
export function signStandardWebhook({ id, timestampSeconds, body, secrets }: SignedContent): string {
  // A dot in the id would let two different messages have the same bytes to sign.
  if (!/^[!-\-/-~]+$/.test(id)) throw new TypeError('a webhook id is printable ASCII without blanks and dots')
  if (!Number.isSafeInteger(timestampSeconds) || timestampSeconds < 0) {
    throw new TypeError(`a webhook timestamp is whole seconds since 1970, found ${timestampSeconds}`)
  }
  if (secrets.length === 0) throw new TypeError('a webhook is signed with at least one secret, found none')
  return secrets.map((secret) => `v1,${signatureOf(secret, `${id}.${timestampSeconds}.`, body)}`).join(' ')
}

function signatureOf(secret: string, head: string, body: string | Uint8Array): string {
  const key = readKey(secret)
  if (typeof key === 'string') throw new TypeError(`the signing secret is wrong: ${key}`)
  return createHmac('sha256', key).update(head).update(body).digest('base64')
}

/** What is wrong with a secret, in words that complete "secret: …" and do not repeat it; null when it can sign. */
export function signingSecretProblem(secret: string): string | null {
  const key = readKey(secret)
  return typeof key === 'string' ? key : null
}

/** The key, or what is wrong with the text. */
function readKey(secret: string): Buffer | string {
  const expected = `expected ${prefix} and base64 of ${keyBytesMin} to ${keyBytesMax} bytes`
  if (!secret.startsWith(prefix)) return `found no ${prefix} at its beginning, ${expected}`
  const encoded = secret.slice(prefix.length)
  const key = Buffer.from(encoded, 'base64')
  // Node reads base64 leniently, receivers do not: both must come to the same key.
  if (key.toString('base64') !== encoded) {
    return `what follows ${prefix} is not base64 (A-Z a-z 0-9 + /, filled up with =), ${expected}`
  }
  return key.length >= keyBytesMin && key.length <= keyBytesMax ? key : `found ${key.length} bytes, ${expected}`
}
