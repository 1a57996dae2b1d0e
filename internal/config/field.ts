import type { Secrecy } from './mask.ts'
import type { Parser } from './parsers.ts'

/** Chapters of docs/CONFIGURATION.md, in its order. */
export const groups = [
  'Connections',
  'Process',
  'HTTP',
  'Logs',
  'Sending',
  'Egress',
  'Rate limits',
  'Retries and scan',
  'Keeping',
  'Database',
  'Tests',
  'Docker Compose',
] as const
export type Group = (typeof groups)[number]

interface About {
  /** The name that documentation and messages prefer. */
  readonly env: string
  /** Other names for the same setting, for deployments written for the source system. */
  readonly aliases?: readonly string[]
  readonly group: Group
  /** One or two sentences for whoever sets it; the allowed values come from the parser. */
  readonly help: string
  readonly secrecy?: Secrecy
  /** A value to copy, in .env.example where the default cannot be written down. */
  readonly example?: string
  /** Read by docker-compose.yml, not by the engine. */
  readonly composeOnly?: boolean
}

interface Declared<T> extends Required<Omit<About, 'example'>> {
  readonly parser: Parser<T>
  readonly example: string | null
}

/** A setting that always has a value. */
export interface DefaultedField<T> extends Declared<T> {
  readonly fallback: { readonly written: string; readonly value: T }
}

/** A setting that may be absent; what then holds is computed, and said in words here. */
export interface OpenField<T> extends Declared<T> {
  readonly fallback: { readonly said: string }
}

export type Field = DefaultedField<unknown> | OpenField<unknown>

function declare<T>(about: About, parser: Parser<T>): Declared<T> {
  return { aliases: [], secrecy: 'none', composeOnly: false, example: null, ...about, parser }
}

/** A setting whose default is `written`, as one would write it in the environment. */
export function setting<T>(about: About & { readonly parse: Parser<T>; readonly default: string }): DefaultedField<T> {
  const { parse, default: written, ...rest } = about
  const parsed = parse.parse(written)
  if (!parsed.ok) throw new TypeError(`${about.env}: its own default ${written} is not ${parse.expected}`)
  return { ...declare(rest, parse), fallback: { written, value: parsed.value } }
}

/** A setting without a written default; `otherwise` says what holds when it is not set. */
export function openSetting<T>(about: About & { readonly parse: Parser<T>; readonly otherwise: string }): OpenField<T> {
  const { parse, otherwise, ...rest } = about
  return { ...declare(rest, parse), fallback: { said: otherwise } }
}

export function namesOf(field: Field): readonly string[] {
  return [field.env, ...field.aliases]
}
