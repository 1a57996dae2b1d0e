import { bareSecret } from '../signing/signing-secret.ts'
import type { Connector } from './compile.ts'
import type { ConnectorConfig } from './config.ts'
import type { Leaf } from './leaf.ts'
import { type Scope, TemplateError } from './liquid.ts'
import type { ConnectorDocument } from './schema.ts'
import { textsIn } from './values.ts'

/** Shorter texts are no secrets, and taking them out would make every answer unreadable. */
const secretCharsMin = 6

/**
 * Every text of the secret fields, however deep; of a secret URL also the parts that give it away; and how each of them
 * stands inside base64, wherever it begins there.
 */
export function secretsOf(
  { document }: { readonly document: Pick<ConnectorDocument, 'config'> },
  config: ConnectorConfig,
): readonly string[] {
  const texts = Object.entries(document.config).flatMap(([name, { secret, type }]) => {
    const own = secret ? textsIn(config[name]) : []
    return type === 'url' ? own.flatMap(partsOfUrl) : own.map(bareSecret)
  })
  return allForms(texts)
}

function allForms(texts: readonly string[]): readonly string[] {
  const long = texts.filter((text) => text.length >= secretCharsMin)
  return [...new Set([...long, ...long.flatMap(insideBase64)])]
}

/** Shorter parts of a path or query are words such as `services` and `api-version`. */
const secretPartCharsMin = 16

function partsOfUrl(text: string): readonly string[] {
  const url = URL.parse(text)
  if (url === null) return [text]
  const parts = [...url.pathname.split('/'), ...url.searchParams.values()]
  return [text, url.pathname + url.search, url.pathname, ...parts.filter((part) => part.length >= secretPartCharsMin)]
}

/**
 * What base64 of any text that holds this one shows of it: four letters carry three bytes, so there are three ways, each
 * without the letters that it shares with its neighbours. In both alphabets.
 */
function insideBase64(text: string): readonly string[] {
  const ways = [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)])
    const shared = bytes.length % 3 === 0 ? 0 : 1
    const letters = bytes.toString('base64').replace(/=+$/, '')
    return letters.slice(before === 0 ? 0 : before + 1, letters.length - shared)
  })
  return ways.flatMap((way) => [way, way.replaceAll('+', '-').replaceAll('/', '_')])
}

/** What the templates of one connection make of its secrets. */
export class DerivedSecrets {
  /** The same for every message. */
  readonly fixed: readonly string[]
  readonly #leaves: readonly Leaf[]

  /** @param fixed the scope without the message. */
  constructor({ secretLeaves }: Pick<Connector, 'secretLeaves'>, fixed: Scope) {
    this.#leaves = secretLeaves.filter(readsMessage)
    this.fixed = allForms(secretLeaves.filter((leaf) => !readsMessage(leaf)).flatMap((leaf) => textsOf(leaf, fixed)))
  }

  /** @param scope with the message. */
  of(scope: Scope): readonly string[] {
    if (this.#leaves.length === 0) return []
    return this.#leaves.flatMap((leaf) => textsOf(leaf, scope)).filter((text) => text.length >= secretCharsMin)
  }
}

function readsMessage({ reads }: Leaf): boolean {
  return reads.some(([root]) => root === 'message')
}

/** The value, and of one with a scheme (`Basic …`) also what follows it. */
function textsOf(leaf: Leaf, scope: Scope): readonly string[] {
  try {
    return stringsIn(leaf.evaluate(scope)).flatMap((text) => [text, text.replace(/^\S+ +/, '')])
  } catch (error) {
    if (error instanceof TemplateError) return [] // then there is no request that could be echoed
    throw error
  }
}

function stringsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.flatMap(stringsIn) : []
}
