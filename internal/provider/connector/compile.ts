import { type AnswerRules, compileAnswerRules } from './answer.ts'
import { compileLeaf, hasTemplate, type Leaf } from './leaf.ts'
import { TemplateError } from './liquid.ts'
import { type Finding, listOf, nearest, type PathPart, show } from './problems.ts'
import type { ConnectorDocument } from './schema.ts'
import { messageFields } from './schema-basics.ts'
import { compileTemplate, scopeRoots, type Template } from './template.ts'

/** A piece of a URL: written in the document, or worked out; what comes from a message is percent-encoded. */
export type UrlPiece = string | { readonly leaf: Leaf; readonly encode: boolean }

export interface RequestPlan {
  readonly method: Template
  readonly url: readonly UrlPiece[]
  readonly query: Template | null
  readonly headers: Template | null
  readonly encoding: ConnectorDocument['request']['encoding']
  readonly contentType: string | null
  readonly body: Template | null
  readonly timeoutMs: number
}

/** A connector document that was checked, with its templates and rules compiled. Shared by all its connections. */
export interface Connector {
  readonly document: ConnectorDocument
  /** `twilio-sms@3`: stored with attempts. */
  readonly name: string
  readonly request: RequestPlan
  readonly probe: { readonly plan: RequestPlan; readonly answers: AnswerRules } | null
  /** The `auth` part with the configuration put in: an object of the same shape. */
  readonly auth: Template
  /** Value of the key that lets the provider drop a repeat; null when it is not the engine that adds one. */
  readonly idempotencyValue: Template | null
  /** True when a repeat under the same key does no harm, so that an unknown outcome may be tried again. */
  readonly deduplicates: boolean
  readonly answers: AnswerRules
  /** What in all of these is made of a secret field. */
  readonly secretLeaves: readonly Leaf[]
}

export interface Compiled {
  readonly connector: Connector
  readonly findings: readonly Finding[]
}

/** The connector is whole only when there are no findings. */
export function compileConnector(document: ConnectorDocument): Compiled {
  const compiler = new Compiler(document)
  const { auth, idempotency, probe } = document
  const connector: Connector = {
    document,
    name: `${document.id}@${document.version}`,
    request: compiler.request(document.request, ['request']),
    probe: probe === undefined ? null : compiler.probe(probe),
    auth: compiler.template(auth, ['auth'], configOnly),
    idempotencyValue:
      typeof idempotency === 'string' ? null : compiler.template(idempotency.value, ['idempotency', 'value']),
    deduplicates: idempotency !== 'none',
    answers: compileAnswerRules(document),
    secretLeaves: compiler.secretLeaves,
  }
  if (auth.kind === 'url_secret') compiler.needsSecretUrl(connector.request.url)
  if (document.receipts !== undefined) compiler.template(document.receipts.verify, ['receipts', 'verify'], configOnly)
  return { connector, findings: compiler.findings }
}

const configOnly: readonly string[] = ['config', 'maps']
type RequestPart = Pick<
  ConnectorDocument['request'],
  'method' | 'url' | 'query' | 'headers' | 'encoding' | 'timeoutMs'
> &
  Partial<Pick<ConnectorDocument['request'], 'body' | 'contentType'>>

class Compiler {
  readonly findings: Finding[] = []
  readonly secretLeaves: Leaf[] = []
  readonly #document: ConnectorDocument
  /** Names that are known below each root. */
  readonly #known: ReadonlyMap<string, readonly string[]>

  constructor(document: ConnectorDocument) {
    const { config, maps } = document
    this.#document = document
    this.#known = new Map<string, readonly string[]>([
      ['message', messageFields],
      ['config', Object.keys(config)],
      ['maps', Object.keys(maps)],
      ['callback', ['url']],
    ])
  }

  probe(probe: NonNullable<ConnectorDocument['probe']>): NonNullable<Connector['probe']> {
    const answers = compileAnswerRules({ ...this.#document, success: probe.success, messageId: undefined })
    return { plan: this.request(probe, ['probe']), answers }
  }

  request(part: RequestPart, path: readonly PathPart[]): RequestPlan {
    const optional = (word: 'query' | 'headers' | 'body') =>
      part[word] === undefined ? null : this.template(part[word], [...path, word])
    return {
      method: this.template(part.method, [...path, 'method'], configOnly),
      url: this.#url(part.url, [...path, 'url']),
      query: optional('query'),
      headers: optional('headers'),
      encoding: part.encoding,
      contentType: part.contentType ?? null,
      body: optional('body'),
      timeoutMs: part.timeoutMs,
    }
  }

  /** A URL is taken out of what is stored by the secret fields that it is made of. */
  needsSecretUrl(url: readonly UrlPiece[]): void {
    if (url.some((piece) => typeof piece !== 'string' && this.#readsSecret(piece.leaf))) return
    this.findings.push({
      path: ['request', 'url'],
      found: 'no secret field in it',
      expected: 'a field with secret: true, with auth url_secret',
    })
  }

  template(source: unknown, path: readonly PathPart[], roots: readonly string[] = scopeRoots): Template {
    return compileTemplate(source, {
      path,
      locals: [],
      onLeaf: (leaf, at, locals) => this.#checkReads(leaf, at, [...roots, ...locals]),
      onProblem: (at, found, expected) => void this.findings.push({ path: at, found, expected }),
    })
  }

  #url(text: string, path: readonly PathPart[]): readonly UrlPiece[] {
    return text
      .split(/(\{\{.*?\}\})/)
      .filter((piece) => piece !== '')
      .map((piece) => {
        if (!hasTemplate(piece)) return piece
        try {
          const leaf = compileLeaf(piece)
          this.#checkReads(leaf, path, scopeRoots)
          return { leaf, encode: leaf.reads.some(([root]) => root === 'message') }
        } catch (error) {
          if (!(error instanceof TemplateError)) throw error
          this.findings.push({ path, found: `a template that cannot be read (${error.message})`, expected: 'Liquid' })
          return ''
        }
      })
  }

  #readsSecret({ reads }: Leaf): boolean {
    const { config } = this.#document
    return reads.some(([root, name]) => root === 'config' && name !== undefined && config[name]?.secret === true)
  }

  #checkReads(leaf: Leaf, path: readonly PathPart[], roots: readonly string[]): void {
    if (this.#readsSecret(leaf)) this.secretLeaves.push(leaf)
    for (const [root = '', name] of leaf.reads) {
      if (!roots.includes(root)) {
        this.findings.push({
          path,
          found: `the name ${show(root)} in a template`,
          expected: listOf(roots),
          didYouMean: nearest(root, roots),
        })
        continue
      }
      const known = this.#known.get(root)
      if (known === undefined || (name !== undefined && known.includes(name))) continue
      const found = name === undefined ? `the whole of ${root} in a template` : `${root}.${name} in a template`
      const expected =
        known.length === 0 ? `a document that declares ${root}` : listOf(known.map((one) => `${root}.${one}`))
      const near = name === undefined ? null : nearest(name, known)
      this.findings.push({ path, found, expected, didYouMean: near === null ? null : `${root}.${near}` })
    }
  }
}
