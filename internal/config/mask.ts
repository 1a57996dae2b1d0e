/**
 * What of a value may be shown in an error or a log. `none`: everything. `url`: scheme, host, path and the user name
 * beside a password. `origin`: scheme and host only (the path of a webhook is its secret). `all`: nothing.
 */
export type Secrecy = 'none' | 'url' | 'origin' | 'all'

const hidden = '***'
const shownMax = 80

/** `raw` as it may be shown to whoever reads logs. */
export function showValue(raw: string, secrecy: Secrecy): string {
  if (secrecy === 'all') return hidden
  if (secrecy !== 'none') return maskUrl(raw, secrecy)
  // A connection string that ended up in the wrong variable is still a secret.
  if (raw.includes('://')) return maskUrl(raw, 'url')
  if (/pass(word|wd)?\s*=/i.test(raw)) return hidden
  const shown = JSON.stringify(raw.length > shownMax ? `${raw.slice(0, shownMax)}…` : raw)
  return /^[\w.,:/*+-]+$/.test(raw) && raw.length <= shownMax ? raw : shown
}

/**
 * A URL without its secrets. Whatever cannot be taken apart for sure is hidden whole: an unescaped `/`, `#` or `?` in
 * a password moves its rest into the path, the query or the fragment.
 */
export function maskUrl(raw: string, secrecy: 'url' | 'origin'): string {
  if (/^(embedded|memory):$/i.test(raw)) return raw
  const scheme = /^[a-z][a-z0-9+.-]{0,15}:\/\//i.exec(raw)?.[0] ?? ''
  const authority = /^[^/?#]*/.exec(raw.slice(scheme.length))?.[0] ?? ''
  const rest = raw.slice(scheme.length + authority.length)
  const at = authority.lastIndexOf('@')
  const host = authority.slice(at + 1)
  const torn = rest.includes('@') || rest.includes('#') || !isHostList(host)
  if (scheme === '' || torn) return `${scheme}${hidden}`
  const path = /^[^?]*/.exec(rest)?.[0] ?? ''
  const query = rest.length > path.length ? '?…' : ''
  const shownRest = secrecy === 'origin' ? (rest.length > 1 ? '/…' : rest) : `${path}${query}`
  return `${scheme}${maskUser(authority.slice(0, Math.max(0, at)))}${host}${shownRest}`
}

/** A user name alone is hidden too: tokens are often written there. */
function maskUser(userInfo: string): string {
  if (userInfo === '') return ''
  const colon = userInfo.indexOf(':')
  return colon === -1 ? `${hidden}@` : `${userInfo.slice(0, colon)}:${hidden}@`
}

function isHostList(text: string): boolean {
  return text.split(',').every((host) => /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.test(host))
}
