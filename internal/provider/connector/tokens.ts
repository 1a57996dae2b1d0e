import { importPKCS8, SignJWT } from 'jose'
import type { TryClass } from '../../port/outlet.ts'
import { statusKind } from '../classify.ts'
import { headerOf, textOf } from '../response-body.ts'
import { parseRetryAfterMs } from '../retry-after.ts'
import type { ConnectorAnswer } from './answer.ts'
import { basicPair, type OAuth } from './auth.ts'
import { type CallDeps, call, deadlineOf, failureOf, type NoAnswer, orAborted } from './call.ts'
import { targetOf } from './request.ts'
import { isRecord } from './values.ts'

/** One request for a token, connecting included. */
const fetchTimeoutMs = 10_000
/** A token is given up this long before its end, or a tenth of its life when that is less. */
const marginMs = 60_000
/** Life of a token whose answer does not say it, and the longest that is believed. */
const lifeSecondsDefault = 300
const lifeSecondsMax = 86_400
const assertionSeconds = 3_600

/** There is no token, so nothing was sent. */
export class TokenError extends Error {
  readonly class: Extract<TryClass, 'transient' | 'rate_limited' | 'config'>
  readonly code: string
  readonly statusCode: number | null
  readonly retryAfterMs: number | null

  constructor(
    answerClass: TokenError['class'],
    code: string,
    message: string,
    details: Partial<Pick<TokenError, 'statusCode' | 'retryAfterMs'>> = {},
  ) {
    super(message)
    this.class = answerClass
    this.code = code
    this.statusCode = details.statusCode ?? null
    this.retryAfterMs = details.retryAfterMs ?? null
  }
}

export interface AccessToken {
  readonly value: string
  /** On the monotonic clock. */
  readonly endsAtMs: number
}

/** OAuth 2 access tokens of one connection: kept until shortly before their end, fetched once for all who wait. */
export class TokenSource {
  readonly #oauth: OAuth
  readonly #deps: CallDeps
  readonly #closed = new AbortController()
  #token: AccessToken | null = null
  #fetching: Promise<AccessToken> | null = null

  constructor(oauth: OAuth, deps: CallDeps) {
    this.#oauth = oauth
    this.#deps = deps
  }

  /**
   * @param signal ends the waiting, not the fetching, which others may wait for.
   * @returns the token, and whether it was fetched just now.
   * @throws TokenError, or the signal's reason.
   */
  async get(signal: AbortSignal): Promise<{ readonly token: AccessToken; readonly fresh: boolean }> {
    const kept = this.#token
    if (kept !== null && this.#deps.clock.monotonicMs() < kept.endsAtMs) return { token: kept, fresh: false }
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = null))
    return { token: await orAborted(this.#fetching, signal), fresh: true }
  }

  /** The provider refused it. One that was fetched since stays. */
  drop(token: AccessToken): void {
    if (this.#token === token) this.#token = null
  }

  close(): void {
    this.#closed.abort(new DOMException('the connection is closed', 'AbortError'))
  }

  async #fetch(): Promise<AccessToken> {
    const { clock } = this.#deps
    const deadline = deadlineOf(clock, fetchTimeoutMs, this.#closed.signal)
    try {
      const askedAtMs = clock.monotonicMs()
      const answer = await call(await this.#request(), this.#deps, { signal: deadline.signal, timeoutMs: null })
      const { value, lifeMs } = readToken(answer, clock.now())
      this.#token = { value, endsAtMs: askedAtMs + lifeMs - Math.min(marginMs, lifeMs / 10) }
      return this.#token
    } finally {
      deadline.clear()
    }
  }

  async #request(): Promise<Parameters<typeof call>[0]> {
    const oauth = this.#oauth
    const form = new URLSearchParams()
    const headers: Record<string, string> = {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    }
    if (oauth.kind === 'oauth2_jwt_bearer') {
      form.set('grant_type', 'urn:ietf:params:oauth:grant-type:jwt-bearer')
      form.set('assertion', await signAssertion(oauth, this.#deps.clock.now()))
    } else {
      form.set('grant_type', 'client_credentials')
      if (oauth.scope !== undefined) form.set('scope', oauth.scope)
      if (oauth.audience !== undefined) form.set('audience', oauth.audience)
      if (oauth.clientIn === 'basic') headers['authorization'] = `Basic ${formPair(oauth)}`
      else {
        form.set('client_id', oauth.clientId)
        form.set('client_secret', oauth.clientSecret)
      }
    }
    return { method: 'POST', target: targetOf(new URL(oauth.tokenUrl)), headers, body: form.toString() }
  }
}

type ClientAuth = Extract<OAuth, { kind: 'oauth2_client_credentials' }>
type JwtAuth = Extract<OAuth, { kind: 'oauth2_jwt_bearer' }>

/** RFC 6749 has both form-encoded before they are joined. */
function formPair({ clientId, clientSecret }: ClientAuth): string {
  const encode = (text: string) => new URLSearchParams([['', text]]).toString().slice(1)
  return basicPair(encode(clientId), encode(clientSecret))
}

async function signAssertion(oauth: JwtAuth, now: Date): Promise<string> {
  const nowSeconds = Math.floor(now.getTime() / 1_000)
  const jwt = new SignJWT(oauth.scope === undefined ? {} : { scope: oauth.scope })
    .setProtectedHeader({
      alg: oauth.algorithm,
      typ: 'JWT',
      ...(oauth.keyId === undefined ? {} : { kid: oauth.keyId }),
    })
    .setIssuer(oauth.issuer)
    .setAudience(oauth.audience ?? oauth.tokenUrl)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + assertionSeconds)
  if (oauth.subject !== undefined) jwt.setSubject(oauth.subject)
  try {
    return await jwt.sign(await importPKCS8(oauth.privateKey, oauth.algorithm))
  } catch {
    throw new TokenError(
      'config',
      'bad_private_key',
      `the private key cannot sign: expected a PKCS #8 key in PEM for ${oauth.algorithm}`,
    )
  }
}

function readToken(answer: ConnectorAnswer | NoAnswer, now: Date): { readonly value: string; readonly lifeMs: number } {
  if ('systemCode' in answer) throw noToken(answer)
  const { statusCode, headers, body } = answer
  const parsed = parse(body.bytes)
  const value = isRecord(parsed) ? parsed['access_token'] : undefined
  if (statusCode === 200 && typeof value === 'string' && /^[!-~]{1,8192}$/.test(value)) {
    const told = isRecord(parsed) ? Number(parsed['expires_in']) : Number.NaN
    const seconds = told > 0 ? Math.min(told, lifeSecondsMax) : lifeSecondsDefault
    return { value, lifeMs: seconds * 1_000 }
  }
  const said = isRecord(parsed) && typeof parsed['error'] === 'string' ? parsed['error'] : null
  const code = said !== null && /^[\w.-]{1,64}$/.test(said) ? said : `http_${statusCode}`
  const kind = statusKind(statusCode)
  const message = `the token endpoint answered with status ${statusCode}${said === code ? ` (${code})` : ''} and no token`
  // What is wrong with a request for a token is wrong with the configuration, whatever message waits for it.
  const answerClass = kind === 'transient' || kind === 'rate_limited' ? kind : 'config'
  const retryAfterMs = parseRetryAfterMs(headerOf(headers, 'retry-after'), now)
  throw new TokenError(answerClass, `token_${code}`, message, { statusCode, retryAfterMs })
}

/** Nothing was sent to the provider itself, so even a lost answer is safe to try again. */
function noToken(failure: NoAnswer): TokenError {
  const failed = failureOf({ ...failure, written: false })
  if (failed.kind === 'accepted') return new TokenError('transient', 'token_failed', 'no token came')
  // An endpoint that may not be called is named in the configuration.
  const answerClass = failed.kind === 'permanent' ? 'config' : 'transient'
  return new TokenError(answerClass, `token_${failed.code}`, `no token: ${failed.message}`)
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(bytes))
  } catch {
    return null
  }
}
