import type { Ctx } from './context.ts'
import { quote } from './describe.ts'
import { Findings } from './findings.ts'
import { textFault } from './json-guard.ts'
import { normalise, parseFields, type Reading, reportUnknown } from './validate.ts'

/**
 * The query of a request by its schema. Unknown and repeated parameters are errors: a filter that is silently ignored
 * answers with rows that nobody asked for.
 * @throws HttpProblem 400
 */
export function readQuery<T>(c: Ctx, how: Reading<T>): { readonly raw: ReadonlySet<string>; readonly query: T } {
  const findings = new Findings()
  const given = splitQuery(c.req.url, findings)
  const { fields, unknown } = normalise(Object.fromEntries(given), how)
  reportUnknown(unknown, how.known, [], true, findings)
  const query = parseFields(fields, how, [], findings)
  findings.throwIfAny()
  if (query === null) throw new Error('a query without findings must parse')
  return { raw: new Set(given.keys()), query }
}

function splitQuery(url: string, findings: Findings): ReadonlyMap<string, string> {
  const given = new Map<string, string>()
  const start = url.indexOf('?')
  if (start === -1) return given
  const end = url.indexOf('#', start)
  for (const pair of url.slice(start + 1, end === -1 ? undefined : end).split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decode(equals === -1 ? pair : pair.slice(0, equals))
    const value = decode(equals === -1 ? '' : pair.slice(equals + 1))
    const path = name === null ? 'query' : shownName(name)
    if (name === null || value === null) {
      findings.error(path, 'invalid_encoding', 'expected percent-encoded UTF-8, found something else')
      continue
    }
    const fault = textFault(name) ?? textFault(value)
    if (fault !== null) findings.error(path, fault.code, fault.message)
    else if (given.has(name)) findings.error(path, 'repeated', 'expected the parameter once, found it again')
    else given.set(name, value)
  }
  return given
}

function shownName(name: string): string {
  return /^[\w-]{1,64}$/.test(name) ? name : quote(name, 64)
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return null
  }
}
