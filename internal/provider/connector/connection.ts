import type { AnswerRules } from './answer.ts'
import { type ResolvedAuth, resolveAuth } from './auth.ts'
import type { Connector } from './compile.ts'
import type { ConnectorConfig } from './config.ts'
import { isHeaderValue } from './headers.ts'
import type { Scope } from './liquid.ts'
import type { ConnectorMessage } from './message.ts'
import { type Additions, type ConnectorRequest, RequestError, RequestWriter } from './request.ts'
import { DerivedSecrets, secretsOf } from './secrets.ts'
import { type Bound, bindTemplate, valueOf } from './template.ts'
import { asText, textsIn } from './values.ts'

export interface ConnectionOptions {
  /** Where the provider may report what became of a message; null when nobody listens. */
  readonly callbackUrl?: string | null
  /** Shown in `User-Agent`. */
  readonly version?: string
}

interface Probe {
  readonly timeoutMs: number
  readonly answers: AnswerRules
  /** @throws RequestError */
  write(now: Date, token: string | null): Promise<ConnectorRequest>
}

/** Texts of `data` that are taken out of stored answers: longer ones are told apart from plain words. */
const dataCharsMin = 8
const dataTextsMax = 20

/** A connector with a configuration: writes its requests, and knows what of them must never be stored. */
export class Connection {
  readonly connector: Connector
  readonly auth: ResolvedAuth
  readonly #fixed: Scope
  readonly #writer: RequestWriter
  readonly #probe: RequestWriter | null
  readonly #idempotency: Bound | null
  readonly #secrets: readonly string[]
  readonly #derived: DerivedSecrets

  /**
   * @param config what `checkConfig` gave.
   * @throws RequestError or TemplateError when the configuration gives no request, whatever the message.
   */
  constructor(connector: Connector, config: ConnectorConfig, { callbackUrl = null, version }: ConnectionOptions = {}) {
    const { document } = connector
    this.connector = connector
    this.#fixed = { config, maps: document.maps, callback: { url: callbackUrl } }
    const agent = version === undefined ? 'dispatch-engine' : `dispatch-engine/${version}`
    this.#writer = new RequestWriter(connector.request, this.#fixed, agent)
    this.#probe = connector.probe === null ? null : new RequestWriter(connector.probe.plan, this.#fixed, agent)
    this.auth = resolveAuth(document.auth, valueOf(bindTemplate(connector.auth, this.#fixed), this.#fixed))
    for (const [name, value] of Object.entries(this.auth.additions.headers)) checkHeader(name, value)
    this.#idempotency =
      connector.idempotencyValue === null ? null : bindTemplate(connector.idempotencyValue, this.#fixed)
    this.#derived = new DerivedSecrets(connector, this.#fixed)
    this.#secrets = [...new Set([...secretsOf(connector, config), ...this.#derived.fixed])]
  }

  /**
   * @param token of the OAuth kinds.
   * @throws RequestError
   */
  write(message: ConnectorMessage, now: Date, token: string | null): ConnectorRequest | Promise<ConnectorRequest> {
    const scope = { ...this.#fixed, message }
    const additions =
      this.#idempotency === null
        ? this.#additions(token)
        : this.#withKey(this.#additions(token), asText(valueOf(this.#idempotency, scope)))
    const written = this.#writer.write(scope, additions)
    if (written instanceof Promise) return written.then((request) => this.#signed(request, message, now))
    return this.#signed(written, message, now)
  }

  /** How the connection is tested without sending anything; null when the connector cannot. */
  get probe(): Probe | null {
    const plan = this.connector.probe
    const writer = this.#probe
    if (plan === null || writer === null) return null
    const write = async (now: Date, token: string | null) => {
      const key = `probe_${now.getTime()}`
      const request = await writer.write(this.#fixed, { ...this.#additions(token), body: {} })
      return this.#signed(request, { key }, now)
    }
    return { timeoutMs: plan.plan.timeoutMs, answers: plan.answers, write }
  }

  #additions(token: string | null): Additions {
    const { additions } = this.auth
    if (token === null) return additions
    return { ...additions, headers: { ...additions.headers, authorization: `Bearer ${token}` } }
  }

  #withKey(additions: Additions, value: string): Additions {
    const { idempotency } = this.connector.document
    if (typeof idempotency === 'string') return additions
    if (idempotency.in === 'body') return { ...additions, body: { ...additions.body, [idempotency.name]: value } }
    checkHeader(idempotency.name, value)
    return { ...additions, headers: { ...additions.headers, [idempotency.name.toLowerCase()]: value } }
  }

  #signed(request: ConnectorRequest, message: Pick<ConnectorMessage, 'key'>, now: Date): ConnectorRequest {
    const signed = this.auth.sign?.(request, message, now.getTime())
    return signed === undefined ? request : { ...request, headers: { ...request.headers, ...signed } }
  }

  /**
   * What must not stand in anything that is stored of the answer to a request.
   * @param message null for a probe.
   */
  secretsFor(message: ConnectorMessage | null, { headers }: ConnectorRequest): readonly string[] {
    const secrets = [...this.#secrets]
    // An access token, or what the engine made of user and password: the part after the scheme.
    const credentials = headers['authorization']?.replace(/^\S+ +/, '') ?? ''
    if (credentials !== '' && !secrets.includes(credentials)) secrets.push(credentials)
    if (message === null) return secrets
    secrets.push(...this.#derived.of({ ...this.#fixed, message }))
    const { to, content, title, html, data } = message
    for (const text of [to, content, title, html]) if (text !== null && text !== '') secrets.push(text)
    if (data !== null) {
      const texts = textsIn(data).filter((text) => text.length >= dataCharsMin)
      secrets.push(...texts.slice(0, dataTextsMax))
    }
    return secrets
  }
}

function checkHeader(name: string, value: string): void {
  if (!isHeaderValue(value)) {
    throw new RequestError(
      'invalid_header',
      `the value of the header ${name} is not printable ASCII of at most 8192 characters`,
    )
  }
}

/** Stands for a token where none is fetched. */
const exampleToken = 'example-token'

/**
 * The request as it would go out, without sending anything; a token of the OAuth kinds stands as `example-token`.
 * @param config what `checkConfig` gave.
 * @throws RequestError or TemplateError when the message cannot be written as a request.
 */
export async function render(
  connector: Connector,
  config: ConnectorConfig,
  message: ConnectorMessage,
  { now, ...options }: ConnectionOptions & { readonly now: Date },
): Promise<ConnectorRequest> {
  const connection = new Connection(connector, config, options)
  return connection.write(message, now, connection.auth.oauth === null ? null : exampleToken)
}
