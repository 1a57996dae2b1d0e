import type { RequestPlan, UrlPiece } from './compile.ts'
import { type EncodedBody, encodeBody, pairsOf } from './encode.ts'
import { isForbiddenHeader, isHeaderName, isHeaderValue } from './headers.ts'
import { type Scope, TemplateError } from './liquid.ts'
import { type Bound, bindTemplate, valueOf } from './template.ts'
import { asText, isRecord } from './values.ts'

/** A request as it goes out. */
export interface ConnectorRequest {
  readonly method: string
  readonly url: string
  /** The URL taken apart, as it is dialled. */
  readonly target: RequestTarget
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Null without a body; a text stands for its UTF-8 bytes. */
  readonly body: string | Uint8Array | null
  /** The body before it was encoded, for fixtures. */
  readonly bodyValue: unknown
}

export interface RequestTarget {
  /** `https://host:port`. */
  readonly origin: string
  /** With its query. */
  readonly path: string
}

export function targetOf({ origin, pathname, search }: URL): RequestTarget {
  return { origin, path: pathname + search }
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
  /** The field of the configuration that is at fault; null when it is not one alone, or not known. */
  readonly field: string | null
  constructor(
    code: RequestErrorCode,
    message: string,
    { field = null, ...options }: ErrorOptions & { readonly field?: string | null } = {},
  ) {
    super(message, options)
    this.code = code
    this.field = field
  }
}

interface ReadUrl extends Pick<ConnectorRequest, 'url' | 'target'> {
  readonly parsed: URL
}

const methods: ReadonlySet<unknown> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])

/** Writes the requests of one connection: whatever its configuration decides is worked out when it is made. */
export class RequestWriter {
  readonly #plan: RequestPlan
  readonly #base: Readonly<Record<string, string>>
  readonly #method: string
  readonly #url: readonly UrlPiece[]
  /** The URL without a query of the document's, when no message changes it. */
  readonly #fixedUrl: ReadUrl | null
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
    this.#fixedUrl = url.every((piece) => typeof piece === 'string') ? readUrl(url.join('')) : null
    this.#query = writing(() => bind(plan.query))
    this.#headers = writing(() => bind(plan.headers))
    const headers = this.#headers
    this.#fixedHeaders = headers === null || 'value' in headers ? readHeaders(headers?.value) : null
    this.#body = writing(() => bind(plan.body))
  }

  /**
   * A promise only where the encoding takes its time.
   * @throws RequestError
   */
  write(scope: Scope, additions: Additions): ConnectorRequest | Promise<ConnectorRequest> {
    const { bodyValue, to, own } = writing(() => ({
      bodyValue: this.#bodyValue(scope, additions.body),
      to: this.#urlOf(scope, additions.query),
      own: this.#fixedHeaders ?? readHeaders(this.#headers === null ? undefined : valueOf(this.#headers, scope)),
    }))
    const complete = ({ body, contentType }: EncodedBody): ConnectorRequest => {
      const type = contentType === null ? null : { 'content-type': contentType }
      const headers = { ...this.#base, ...type, ...own, ...additions.headers }
      return { method: this.#method, url: to.url, target: to.target, headers, body, bodyValue }
    }
    const encoded = encodeBody(bodyValue, this.#plan)
    return encoded instanceof Promise ? encoded.then(complete) : complete(encoded)
  }

  #bodyValue(scope: Scope, added: Additions['body']): unknown {
    const value = this.#body === null ? undefined : valueOf(this.#body, scope)
    if (Object.keys(added).length === 0) return value
    return { ...(isRecord(value) ? value : {}), ...added }
  }

  #urlOf(scope: Scope, added: Additions['query']): Pick<ConnectorRequest, 'url' | 'target'> {
    const own = this.#query === null ? [] : pairsOf(valueOf(this.#query, scope))
    const { url, target, parsed } =
      this.#fixedUrl ?? readUrl(this.#url.map((piece) => pieceText(piece, scope)).join(''))
    if (own.length === 0 && added.length === 0) return { url, target }
    const asked = new URL(parsed)
    for (const [name, value] of [...own, ...added]) asked.searchParams.append(name, value)
    return { url: asked.href, target: targetOf(asked) }
  }
}

function bindPiece(piece: UrlPiece, fixed: Scope): UrlPiece {
  return typeof piece === 'string' || piece.encode ? piece : asText(piece.leaf.evaluate(fixed))
}

function pieceText(piece: UrlPiece, scope: Scope): string {
  return typeof piece === 'string' ? piece : encodeURIComponent(asText(piece.leaf.evaluate(scope)).toWellFormed())
}

function readUrl(text: string): ReadUrl {
  const parsed = URL.parse(text)
  if (parsed === null || !/^https?:$/.test(parsed.protocol))
    throw new RequestError('invalid_url', 'the URL is not one of http: or https:')
  if (parsed.username !== '' || parsed.password !== '')
    throw new RequestError('invalid_url', 'the URL holds a user name or a password')
  return { url: parsed.href, target: targetOf(parsed), parsed }
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
