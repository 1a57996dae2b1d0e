import { type DefaultedField, type Field, namesOf, type OpenField } from './field.ts'
import { showValue } from './mask.ts'
import type { Parsed } from './parsers.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** What the environment says about one setting. */
export interface Reading<T> {
  readonly value: T
  /** `name=value` as the user wrote it, masked; the preferred name and the default when it was not set. */
  readonly shown: string
  readonly given: boolean
  /** A problem was reported already; checks that build on this setting would only repeat it. */
  readonly broken: boolean
}

interface Given<T> {
  readonly name: string
  readonly raw: string
  readonly parsed: Parsed<T>
}

/** Reads settings and collects every problem, so that a deploy is corrected in one round. */
export class SettingsReader {
  readonly problems: string[] = []
  readonly warnings: string[] = []
  readonly #environment: Environment

  constructor(environment: Environment) {
    this.#environment = environment
  }

  read<T>(field: DefaultedField<T>): Reading<T> {
    const { written, value } = field.fallback
    return this.#read<T, T>(field, { value, shown: `${field.env}=${written} (default)` })
  }

  readOpen<T>(field: OpenField<T>): Reading<T | null> {
    return this.#read<T, T | null>(field, { value: null, shown: `${field.env} not set` })
  }

  #read<T, U>(field: DefaultedField<T> | OpenField<T>, fallback: { value: T | U; shown: string }): Reading<T | U> {
    const [first, ...others] = this.#given(field)
    if (first === undefined) return { ...fallback, given: false, broken: false }
    const shown = `${first.name}=${showValue(first.raw, field.secrecy)}`
    const problem = conflict(field, first, others) ?? this.#useless(field, first)
    if (problem !== null || !first.parsed.ok) {
      if (problem !== null) this.problems.push(problem)
      return { value: fallback.value, shown, given: true, broken: true }
    }
    for (const note of first.parsed.notes ?? []) this.warnings.push(`${first.name}: ${note}`)
    return { value: first.parsed.value, shown, given: true, broken: false }
  }

  /** Every name of the setting that has a value; an empty one counts as not set. */
  #given<T>(field: DefaultedField<T> | OpenField<T>): readonly Given<T>[] {
    return namesOf(field).flatMap((name) => {
      const raw = this.#environment[name]?.trim() ?? ''
      return raw === '' ? [] : [{ name, raw, parsed: field.parser.parse(raw) }]
    })
  }

  #useless(field: Field, { name, raw, parsed }: Given<unknown>): string | null {
    if (parsed.ok) return null
    const why = parsed.why === undefined ? '' : ` (${parsed.why})`
    return `${name}: found ${showValue(raw, field.secrecy)}, expected ${field.parser.expected}${why}`
  }
}

/** Two names with two meanings: neither can be preferred, since nobody knows which one was forgotten. */
function conflict(field: Field, first: Given<unknown>, others: readonly Given<unknown>[]): string | null {
  const other = others.find((one) => meaning(one) !== meaning(first))
  if (other === undefined) return null
  const values = [first, other].map(({ raw }) => showValue(raw, field.secrecy))
  const found = field.secrecy === 'all' ? '' : ` (${values.join(' and ')})`
  return `${first.name} and ${other.name} are the same setting but have two values${found}: keep one`
}

function meaning({ raw, parsed }: Given<unknown>): string {
  return parsed.ok ? JSON.stringify(parsed.value) : raw
}
