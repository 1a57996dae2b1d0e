/** Names and values of a connection string, decoded, in the order written. Names are those of libpq. */
export type DsnParts = readonly (readonly [name: string, value: string])[]

/** `problem` names positions, never text, since every part of it may be a piece of an unquoted password. */
export type DsnForm = { readonly ok: true; readonly parts: DsnParts } | { readonly ok: false; readonly problem: string }

const unescaped = 'characters such as @ / ? # % in user name or password must be percent-encoded'

/** `postgres://user:password@host:port,host:port/dbname?name=value`: like libpq, wider than the URL standard. */
export function urlForm(raw: string): DsnForm {
  const match = /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(raw)
  if (match === null) return { ok: false, problem: unescaped }
  const [, authority = '', dbname = '', query = ''] = match
  if (dbname.includes('@') || query.includes('@') || dbname.includes('/')) return { ok: false, problem: unescaped }
  const at = authority.lastIndexOf('@')
  const userInfo = authority.slice(0, Math.max(0, at))
  const hosts = hostParts(authority.slice(at + 1))
  if (hosts === null) return { ok: false, problem: `the host or port is wrong; ${unescaped}` }
  const colon = userInfo.indexOf(':')
  const encoded: DsnParts = [
    ['user', colon === -1 ? userInfo : userInfo.slice(0, colon)],
    ['password', colon === -1 ? '' : userInfo.slice(colon + 1)],
    ...hosts,
    ['dbname', dbname],
  ]
  try {
    const parts = encoded.map(([name, value]) => [name, decodeURIComponent(value)] as const)
    return { ok: true, parts: [...parts.filter(([, value]) => value !== ''), ...new URLSearchParams(query)] }
  } catch {
    return { ok: false, problem: 'a bare % must be written %25' }
  }
}

/** `a:1,b:2` → host `a,b`, port `1,2`; null when it is no host list. A port left out stays empty, as in libpq. */
function hostParts(text: string): DsnParts | null {
  if (text === '') return []
  const hosts: string[] = []
  const ports: string[] = []
  for (const one of text.split(',')) {
    const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d*))?$/.exec(one)
    if (match === null) return null
    hosts.push(match[1] ?? '')
    ports.push(match[2] ?? '')
  }
  const port = ports.every((one) => one === '') ? '' : ports.join(',')
  return [
    ['host', hosts.join(',')],
    ['port', port],
  ]
}

/**
 * libpq's `name=value name = 'quoted value'`: single quotes around values with spaces, a backslash before a quote or
 * a backslash.
 */
export function keywordForm(raw: string): DsnForm {
  const parts: (readonly [string, string])[] = []
  let at = skipSpace(raw, 0)
  while (at < raw.length) {
    const name = /^[A-Za-z_][\w.]*/.exec(raw.slice(at))?.[0]
    const equals = skipSpace(raw, at + (name?.length ?? 0))
    if (name === undefined || raw[equals] !== '=') {
      return { ok: false, problem: `at character ${at + 1} a name followed by = must stand; quote values with spaces` }
    }
    const start = skipSpace(raw, equals + 1)
    const value = raw[start] === "'" ? quotedValue(raw, start + 1) : plainValue(raw, start)
    if (value === null) return { ok: false, problem: `the quote at character ${start + 1} is not closed` }
    parts.push([name, value.text])
    at = skipSpace(raw, value.end)
  }
  return { ok: true, parts }
}

interface Value {
  readonly text: string
  /** Index of the first character behind it. */
  readonly end: number
}

function quotedValue(raw: string, start: number): Value | null {
  let text = ''
  for (let at = start; at < raw.length; at++) {
    const character = raw[at] ?? ''
    if (character === "'") return { text, end: at + 1 }
    if (character === '\\') at++
    text += raw[at] ?? ''
  }
  return null
}

function plainValue(raw: string, start: number): Value {
  let text = ''
  let at = start
  for (; at < raw.length && !/\s/.test(raw[at] ?? ''); at++) {
    if (raw[at] === '\\') at++
    text += raw[at] ?? ''
  }
  return { text, end: Math.min(at, raw.length) }
}

function skipSpace(raw: string, from: number): number {
  let at = from
  while (at < raw.length && /\s/.test(raw[at] ?? '')) at++
  return at
}
