import type { JsonValue } from '../../domain/notification.ts'
import { listOf, nearest, show } from './problems.ts'
import type { ConnectorDocument } from './schema.ts'
import { isEmpty, isRecord } from './values.ts'

export type ConfigField = ConnectorDocument['config'][string]
/** The configuration of a connection, checked: defaults are in, JSON texts are parsed, lists are lists. */
export type ConnectorConfig = Readonly<Record<string, JsonValue>>

/** As much of a connector as says which fields it has. */
interface Declaring {
  readonly document: Pick<ConnectorDocument, 'config'>
}

export interface ConfigProblem {
  readonly field: string
  /** Masked for secret fields. */
  readonly found: string
  readonly expected: string
  readonly didYouMean: string | null
}

export type ConfigCheck =
  | { readonly ok: true; readonly config: ConnectorConfig }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

/** Longest text of a field; a service account's JSON has some 2,400 characters. */
const textMax = 16_384
/** Longest text that is held against a pattern, so that even a bad pattern ends soon. */
const patternTextMax = 1_024

/** Checks what an operator filled in against the `config` of a connector, and lists every problem. */
export function checkConfig({ document }: Declaring, config: unknown): ConfigCheck {
  const fields = document.config
  if (!isRecord(config)) {
    return {
      ok: false,
      problems: [{ field: '', found: 'no mapping', expected: 'a mapping of fields', didYouMean: null }],
    }
  }
  const known = Object.keys(fields)
  const problems: ConfigProblem[] = Object.keys(config)
    .filter((name) => !Object.hasOwn(fields, name))
    .map((field) => ({
      field,
      found: 'an unknown field',
      expected: known.length === 0 ? 'no fields' : listOf(known),
      didYouMean: nearest(field, known),
    }))
  const checked: Record<string, JsonValue> = {}
  for (const [name, field] of Object.entries(fields)) {
    const given = Object.hasOwn(config, name) ? config[name] : undefined
    const value = isEmpty(given) ? field.default : given
    if (isEmpty(value)) {
      if (field.required)
        problems.push({ field: name, found: 'nothing', expected: expectationOf(field), didYouMean: null })
      continue
    }
    const read = readField(field, value)
    if ('value' in read) checked[name] = read.value
    else
      problems.push({
        field: name,
        found: field.secret ? masked(value) : show(value),
        expected: read.expected,
        didYouMean: null,
      })
  }
  return problems.length === 0 ? { ok: true, config: checked } : { ok: false, problems }
}

/** Says of a secret only how long it is: enough to see that the wrong thing was pasted. */
function masked(value: unknown): string {
  if (typeof value === 'string') return `a secret of ${value.length} characters`
  return Array.isArray(value) ? `a list of ${value.length} secrets` : 'a secret that is no text'
}

type FieldRead = { readonly value: JsonValue } | { readonly expected: string }

/** The value as templates see it, or what was expected in its place. */
export function readField(field: ConfigField, given: unknown): FieldRead {
  const refuse = { expected: expectationOf(field) }
  const accept = (value: JsonValue | null): FieldRead => (value === null ? refuse : { value })
  switch (field.type) {
    case 'string':
      return accept(readText(field, given))
    case 'url':
      return accept(readUrl(field, given))
    case 'integer':
    case 'number':
      return accept(readNumber(field, given))
    case 'boolean':
      return accept(readBoolean(given))
    case 'strings': {
      const list: readonly unknown[] = Array.isArray(given) ? given : [given]
      const texts = list.map((one) => readText(field, one)).filter((one) => one !== null)
      return texts.length === list.length && texts.length > 0 && texts.length <= 100 ? { value: texts } : refuse
    }
    case 'json':
      return accept(readJson(given))
  }
}

function readText({ pattern, min, max, enum: words }: ConfigField, given: unknown): string | null {
  if (typeof given !== 'string' || given === '' || given.length > textMax) return null
  if (words !== undefined && !words.includes(given)) return null
  if (given.length < (min ?? 0) || given.length > (max ?? textMax)) return null
  if (pattern === undefined) return given
  return given.length <= patternTextMax && patternOf(pattern).test(given) ? given : null
}

const patterns = new Map<string, RegExp>()

function patternOf(text: string): RegExp {
  const known = patterns.get(text)
  if (known !== undefined) return known
  const pattern = new RegExp(`^(?:${text})$`, 'u')
  patterns.set(text, pattern)
  return pattern
}

function readUrl(field: ConfigField, given: unknown): string | null {
  const text = readText(field, given)
  const url = text === null ? null : URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return null
  return url.username === '' && url.password === '' ? text : null
}

function readNumber({ type, min, max }: ConfigField, given: unknown): number | null {
  const number = typeof given === 'string' && /^-?\d{1,15}(?:\.\d{1,9})?$/.test(given) ? Number(given) : given
  if (typeof number !== 'number' || !Number.isFinite(number)) return null
  if (type === 'integer' && !Number.isSafeInteger(number)) return null
  return number < (min ?? -Infinity) || number > (max ?? Infinity) ? null : number
}

function readBoolean(given: unknown): boolean | null {
  if (given === true || given === 'true') return true
  return given === false || given === 'false' ? false : null
}

function readJson(given: unknown): JsonValue | null {
  if (typeof given !== 'string') return isJson(given) ? given : null
  if (given.length > textMax) return null
  try {
    const parsed: unknown = JSON.parse(given)
    return isJson(parsed) ? parsed : null
  } catch {
    return null
  }
}

function isJson(value: unknown, depth = 0): value is JsonValue {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return true
  return (
    depth < 16 &&
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((one) => isJson(one, depth + 1))
  )
}

function expectationOf({ type, pattern, enum: words, min, max }: ConfigField): string {
  if (words !== undefined) return listOf(words)
  const names = {
    string: 'a text',
    url: 'an http: or https: URL without user name and password',
    integer: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    strings: 'a list of texts',
    json: 'JSON',
  } as const
  const ofText = type === 'string' || type === 'strings' || type === 'url'
  const range =
    min === undefined && max === undefined ? '' : ` of ${min ?? 'any'} to ${max ?? 'any'}${ofText ? ' characters' : ''}`
  return `${names[type]}${range}${pattern === undefined ? '' : ` that matches ${pattern}`}`
}

/** What stands in for a configuration in fixtures: the examples, else the defaults. */
export function exampleConfig({
  document,
}: {
  readonly document: Pick<ConnectorDocument, 'config'>
}): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(document.config).map(([name, { example, default: fallback }]) => [name, example ?? fallback]),
  )
}
