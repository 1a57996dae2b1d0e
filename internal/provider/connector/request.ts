import type { RequestPlan, UrlPiece } from './compile.ts'
import { encodeBody, pairsOf } from './encode.ts'
import { isForbiddenHeader, isHeaderName, isHeaderValue } from './headers.ts'
import { type Scope, TemplateError } from './liquid.ts'
import { type Bound, bindTemplate, valueOf } from './template.ts'
import { asText, isRecord } from './values.ts'

/** A request as it goes out. */
export interface ConnectorRequest {
  readonly method: string
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Null without a body; a text stands for its UTF-8 bytes. */
  readonly body: string | Uint8Array | null
  /** The body before it was encoded, for fixtures. */
  readonly bodyValue: unknown
}

/** What the engine adds to what the document describes. */
export interface Additions {
  readonly headers: Readonly<Record<string, string>>
  readonly query: readonly (readonly [string, string])[]
  readonly body: Readonly<Record<string, string>>
}

type RequestErrorCode =
  | 'template_failed'
  | 'template_too_slow'
  | 'invalid_url'
  | 'invalid_header'
  | 'invalid_method'
  | 'cannot_sign'

/** This message cannot be written as a request of this connector. */
export class RequestError extends Error {
  readonly code: RequestErrorCode
  constructor(code: RequestErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const methods: ReadonlySet<unknown> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])

/** Writes the requests of one connection: whatever its configuration decides is worked out when it is made. */
export class RequestWriter {
  readonly #plan: RequestPlan
  readonly #base: Readonly<Record<string, string>>
  readonly #method: string
  readonly #url: readonly UrlPiece[]
  /** The parsed URL when no message changes it. */
  readonly #fixedUrl: URL | null
  readonly #query: Bound | null
  readonly #headers: Bound | null
  /** The headers when no message changes them. */
  readonly #fixedHeaders: Readonly<Record<string, string>> | null
  readonly #body: Bound | null

  /**
   * @param fixed the scope without the message.
   * @param userAgent unless the document has one of its own.
   * @throws RequestError when the configuration gives no URL, method or header.
   */
  constructor(plan: RequestPlan, fixed: Scope, userAgent: string) {
    this.#plan = plan
    this.#base = { 'user-agent': userAgent }
    const bind = (template: RequestPlan['body']) => (template === null ? null : bindTemplate(template, fixed))
    const { method, url } = writing(() => ({
      method: valueOf(bindTemplate(plan.method, fixed), fixed),
      url: plan.url.map((piece) => bindPiece(piece, fixed)),
    }))
    if (typeof method !== 'string' || !methods.has(method))
      throw new RequestError('invalid_method', 'the method is not allowed')
    this.#method = method
    this.#url = url
    this.#fixedUrl = url.every((piece) => typeof piece === 'string') ? parseUrl(url.join('')) : null
    this.#query = writing(() => bind(plan.query))
    this.#headers = writing(() => bind(plan.headers))
    const headers = this.#headers
    this.#fixedHeaders = headers === null || 'value' in headers ? readHeaders(headers?.value) : null
    this.#body = writing(() => bind(plan.body))
  }

  /** @throws RequestError */
  async write(scope: Scope, additions: Additions): Promise<ConnectorRequest> {
    const { bodyValue, url, own } = writing(() => ({
      bodyValue: this.#bodyValue(scope, additions.body),
      url: this.#urlOf(scope, additions.query),
      own: this.#fixedHeaders ?? readHeaders(this.#headers === null ? undefined : valueOf(this.#headers, scope)),
    }))
    const encoding = encodeBody(bodyValue, this.#plan)
    const { body, contentType } = encoding instanceof Promise ? await encoding : encoding
    const type = contentType === null ? {} : { 'content-type': contentType }
    const headers = { ...this.#base, ...type, ...own, ...additions.headers }
    return { method: this.#method, url, headers, body, bodyValue }
  }

  #bodyValue(scope: Scope, added: Additions['body']): unknown {
    const value = this.#body === null ? undefined : valueOf(this.#body, scope)
    if (Object.keys(added).length === 0) return value
    return { ...(isRecord(value) ? value : {}), ...added }
  }

  #urlOf(scope: Scope, added: Additions['query']): string {
    const own = this.#query === null ? [] : pairsOf(valueOf(this.#query, scope))
    const base = this.#fixedUrl ?? parseUrl(this.#url.map((piece) => pieceText(piece, scope)).join(''))
    if (own.length === 0 && added.length === 0) return base.href
    const url = new URL(base)
    for (const [name, value] of [...own, ...added]) url.searchParams.append(name, value)
    return url.href
  }
}

function bindPiece(piece: UrlPiece, fixed: Scope): UrlPiece {
  return typeof piece === 'string' || piece.encode ? piece : asText(piece.leaf.evaluate(fixed))
}

function pieceText(piece: UrlPiece, scope: Scope): string {
  return typeof piece === 'string' ? piece : encodeURIComponent(asText(piece.leaf.evaluate(scope)).toWellFormed())
}

function parseUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new RequestError('invalid_url', 'the URL is not one of http: or https:')
  if (url.username !== '' || url.password !== '')
    throw new RequestError('invalid_url', 'the URL holds a user name or a password')
  return url
}

function readHeaders(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) return {}
  const headers: Record<string, string> = {}
  for (const [name, given] of Object.entries(value)) {
    if (!isHeaderName(name) || isForbiddenHeader(name))
      throw new RequestError('invalid_header', `the header ${JSON.stringify(name.slice(0, 64))} is not allowed`)
    const text = asText(given)
    if (!isHeaderValue(text))
      throw new RequestError(
        'invalid_header',
        `the value of the header ${name} is not printable ASCII of at most 8192 characters`,
      )
    headers[name.toLowerCase()] = text
  }
  return headers
}

function writing<T>(write: () => T): T {
  try {
    return write()
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    const code = error.overloaded ? 'template_too_slow' : 'template_failed'
    throw new RequestError(code, `the request could not be written: ${error.message}`, { cause: error })
  }
}
