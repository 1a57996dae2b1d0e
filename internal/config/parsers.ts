import { isIP } from 'node:net'
import { formatDurationMs, parseDurationMs } from './duration.ts'

export type Parsed<T> =
  /** `notes` become warnings: the value is usable, but a part of it was not used. */
  | { readonly ok: true; readonly value: T; readonly notes?: readonly string[] }
  /** `why` says more than "expected …" can; it never repeats the value, which may be a secret. */
  | { readonly ok: false; readonly why?: string }

/** Reads the text of one setting. The text is trimmed and never empty. */
export interface Parser<T> {
  /** Completes "expected …", and is the column "allowed" of the documentation. */
  readonly expected: string
  readonly parse: (raw: string) => Parsed<T>
}

const bad = { ok: false } as const

function good<T>(value: T): Parsed<T> {
  return { ok: true, value }
}

/** A time span, in whole milliseconds, from `min` to `max` (both written as durations). */
export function duration(min: string, max: string): Parser<number> {
  const minMs = parseDurationMs(min)
  const maxMs = parseDurationMs(max)
  if (minMs === null || maxMs === null) throw new RangeError(`no durations: ${min}, ${max}`)
  return {
    expected: `a duration from ${formatDurationMs(minMs)} to ${formatDurationMs(maxMs)}`,
    parse(raw) {
      const ms = parseDurationMs(raw)
      if (ms === null) return { ok: false, why: 'write it as 5s, 250ms, 10m or 24h; a bare number is milliseconds' }
      return ms >= minMs && ms <= maxMs ? good(ms) : bad
    },
  }
}

export function integer(min: number, max: number): Parser<number> {
  return {
    expected: `a whole number from ${min} to ${max}`,
    parse(raw) {
      if (!/^[+-]?\d+$/.test(raw)) return bad
      const value = Number(raw)
      return value >= min && value <= max ? good(value) : bad
    },
  }
}

/** A TCP port; 0 asks the system for a free one. */
export const port: Parser<number> = {
  expected: 'a port from 0 to 65535 (0 = any free one)',
  parse(raw) {
    // Kubernetes describes a service named "api" or "app" to its pods with variables of this very name.
    if (raw.startsWith('tcp://')) {
      return { ok: false, why: 'Kubernetes sets this for a service of that name; use enableServiceLinks: false' }
    }
    return integer(0, 65_535).parse(raw)
  },
}

export interface PortRange {
  /** 1 to 65535, `first` <= `last`. */
  readonly first: number
  readonly last: number
}

export const portRange: Parser<PortRange> = {
  expected: 'a port from 1 to 65535, or a range such as 8000-8999',
  parse(raw) {
    const [, from = '', to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(raw) ?? []
    const [first, last] = [Number(from), Number(to)]
    return first >= 1 && first <= last && last <= 65_535 ? good({ first, last }) : bad
  },
}

/** An IP network; what follows a % would name an interface of one machine. */
export const network: Parser<string> = {
  expected: 'a network such as 10.0.0.0/8, or an IP address',
  parse(raw) {
    const [, base = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(raw) ?? []
    const family = isIP(base)
    return family !== 0 && Number(bits ?? 0) <= (family === 4 ? 32 : 128) ? good(raw) : bad
  },
}

export const boolean: Parser<boolean> = {
  expected: 'true or false (also 1, 0, yes, no, on, off)',
  parse(raw) {
    const word = raw.toLowerCase()
    if (['1', 'true', 'yes', 'on'].includes(word)) return good(true)
    if (['0', 'false', 'no', 'off'].includes(word)) return good(false)
    return bad
  },
}

/** One of `values` in any case; `synonyms` (lower case) are other spellings that are understood. */
export function oneOf<const V extends string>(
  values: readonly V[],
  synonyms: Readonly<Record<string, V>> = {},
): Parser<V> {
  const others = Object.entries(synonyms).map(([word, value]) => `${word} = ${value}`)
  return {
    expected: `one of ${values.join(', ')}${others.length === 0 ? '' : ` (also ${others.join(', ')})`}`,
    parse(raw) {
      const word = raw.toLowerCase()
      const own = Object.hasOwn(synonyms, word) ? synonyms[word] : undefined
      const value = values.find((one) => one.toLowerCase() === word) ?? own
      return value === undefined ? bad : good(value)
    },
  }
}

/** A comma list of `item`; repeated values count once, an empty list is no value. */
export function listOf<T>(item: Parser<T>): Parser<readonly T[]> {
  return {
    expected: `${item.expected}, or several with commas between`,
    parse(raw) {
      const parts = raw.split(',').map((part) => part.trim())
      const values = new Set<T>()
      for (const part of parts.filter((one) => one !== '')) {
        const parsed = item.parse(part)
        if (!parsed.ok) return parsed
        values.add(parsed.value)
      }
      return values.size === 0 ? bad : good([...values])
    },
  }
}

/** Any text up to `maxLength` characters without control characters. */
export function text(what: string, maxLength: number): Parser<string> {
  return matching(new RegExp(`^[^\\p{Cc}]{1,${maxLength}}$`, 'u'), what)
}

/** Text of a certain form; `expected` describes it. */
export function matching(form: RegExp, expected: string): Parser<string> {
  return { expected, parse: (raw) => (form.test(raw) ? good(raw) : bad) }
}

/** An unquoted PostgreSQL identifier, so that it reads the same in SQL, in psql and in our errors. */
export const identifier: Parser<string> = {
  expected: 'a PostgreSQL name: lower-case letters, digits, _; at most 63; not starting with a digit or pg_',
  parse: (raw) => (/^(?!pg_)[a-z_][a-z0-9_]{0,62}$/.test(raw) && raw !== 'information_schema' ? good(raw) : bad),
}

/** Origin as browsers send it, or `*`. */
export const origin: Parser<string> = {
  expected: 'an origin such as https://app.example.com, or *',
  parse(raw) {
    if (raw === '*') return good(raw)
    const url = URL.parse(raw)
    if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return bad
    return url.pathname === '/' && url.search === '' && url.hash === '' ? good(url.origin) : bad
  },
}
