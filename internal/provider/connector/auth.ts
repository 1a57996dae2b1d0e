import { createHmac } from 'node:crypto'
import { readSigningSecret, type SigningSecret } from '../signing/signing-secret.ts'
import { signStandardWebhook } from '../signing/standard-webhooks.ts'
import type { ConnectorMessage } from './message.ts'
import { type Additions, type ConnectorRequest, RequestError } from './request.ts'
import type { ConnectorDocument } from './schema.ts'
import { asList, asText, isRecord } from './values.ts'

type Auth = ConnectorDocument['auth']
type HmacAuth = Extract<Auth, { kind: 'hmac_sha256' }>
export type OAuth = Extract<Auth, { kind: 'oauth2_client_credentials' | 'oauth2_jwt_bearer' }>

/** How the requests of one connection prove who sends them. */
export interface ResolvedAuth {
  /** Added to every request. */
  readonly additions: Additions
  /** Headers made of the request itself, null when there are none. */
  readonly sign:
    | ((
        request: ConnectorRequest,
        message: Pick<ConnectorMessage, 'key'>,
        nowMs: number,
      ) => Readonly<Record<string, string>>)
    | null
  /** Where a token comes from, null when none is needed. */
  readonly oauth: OAuth | null
}

const noAdditions: Additions = { headers: {}, query: [], body: {} }
const nothing: ResolvedAuth = { additions: noAdditions, sign: null, oauth: null }

/**
 * @param auth the document's part.
 * @param values the same part with the configuration put in.
 */
export function resolveAuth(auth: Auth, values: unknown): ResolvedAuth {
  const text = (name: string) => asText(isRecord(values) ? values[name] : undefined)
  switch (auth.kind) {
    case 'none':
    case 'url_secret':
      return nothing
    case 'basic': {
      const pair = basicPair(text('username'), text('password'))
      return { ...nothing, additions: { ...noAdditions, headers: { authorization: `Basic ${pair}` } } }
    }
    case 'bearer':
      return { ...nothing, additions: { ...noAdditions, headers: { authorization: `Bearer ${text('token')}` } } }
    case 'api_key':
      return { ...nothing, additions: additionsOf(auth.in, text('name'), text('value')) }
    case 'hmac_sha256':
      return { ...nothing, sign: hmacSigner(auth, text('secret')) }
    case 'standard_webhooks':
      return { ...nothing, sign: webhookSigner(isRecord(values) ? values['secret'] : undefined, fieldIn(auth.secret)) }
    case 'oauth2_client_credentials':
    case 'oauth2_jwt_bearer':
      return { ...nothing, oauth: resolveOAuth(auth, text) }
  }
}

/** Basic credentials as they stand in the header. */
export function basicPair(username: string, password: string): string {
  return Buffer.from(`${username}:${password}`).toString('base64')
}

function additionsOf(place: 'header' | 'query' | 'body', name: string, value: string): Additions {
  if (place === 'header') return { ...noAdditions, headers: { [name.toLowerCase()]: value } }
  return place === 'query' ? { ...noAdditions, query: [[name, value]] } : { ...noAdditions, body: { [name]: value } }
}

function hmacSigner(auth: HmacAuth, secret: string): ResolvedAuth['sign'] {
  const key = Buffer.from(secret, auth.secretEncoding)
  return (request, message, nowMs) => {
    const timestamp = String(Math.floor(nowMs / 1_000))
    const words = { id: message.key, timestamp, method: request.method, path: request.target.path }
    const hmac = createHmac('sha256', key)
    for (const [index, part] of auth.sign.entries()) {
      if (index > 0) hmac.update(auth.separator)
      hmac.update(part === 'body' ? (request.body ?? '') : words[part])
    }
    const headers = { [auth.header]: auth.prefix + hmac.digest(auth.encoding) }
    return auth.timestampHeader === undefined ? headers : { ...headers, [auth.timestampHeader]: timestamp }
  }
}

/** The field of the configuration that a template takes first. */
function fieldIn(template: string): string | null {
  return /\bconfig\.(\w+)/.exec(template)?.[1] ?? null
}

function webhookSigner(secret: unknown, field: string | null): ResolvedAuth['sign'] {
  const all = readSecrets(asList(secret).map(asText), field)
  return (request, message, nowMs) => {
    const timestampSeconds = Math.floor(nowMs / 1_000)
    const secrets = all.filter(({ endsAtMs }) => endsAtMs === null || endsAtMs > nowMs).map((one) => one.secret)
    try {
      const signature = signStandardWebhook({ id: message.key, timestampSeconds, body: request.body ?? '', secrets })
      return {
        'webhook-id': message.key,
        'webhook-timestamp': String(timestampSeconds),
        'webhook-signature': signature,
      }
    } catch (error) {
      if (error instanceof TypeError) throw new RequestError('cannot_sign', error.message, { cause: error })
      throw error
    }
  }
}

/** Now, not with the first message: secrets that cannot sign fail every one of them. */
function readSecrets(texts: readonly string[], field: string | null): readonly SigningSecret[] {
  const refuse = (problem: string) => new RequestError('cannot_sign', `the signing secret: ${problem}`, { field })
  const secrets = texts.map((text) => {
    const read = readSigningSecret(text)
    if ('problem' in read) throw refuse(read.problem)
    return read
  })
  if (secrets.length === 0) throw refuse('found none, expected at least one')
  if (secrets.every(({ endsAtMs }) => endsAtMs !== null)) throw refuse('each of them ends, expected one without an end')
  return secrets
}

function resolveOAuth(auth: OAuth, text: (name: string) => string): OAuth {
  const optional = (name: string) => text(name) || undefined
  const common = { tokenUrl: text('tokenUrl'), scope: optional('scope'), audience: optional('audience') }
  if (auth.kind === 'oauth2_client_credentials') {
    return { ...auth, ...common, clientId: text('clientId'), clientSecret: text('clientSecret') }
  }
  return {
    ...auth,
    ...common,
    issuer: text('issuer'),
    privateKey: text('privateKey'),
    keyId: optional('keyId'),
    subject: optional('subject'),
  }
}
