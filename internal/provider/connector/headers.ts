/** Headers that belong to the HTTP connection, or that the engine sets itself. */
const forbidden = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'te',
  'trailer',
  'expect',
  'proxy-authorization',
  'proxy-connection',
  'accept-encoding', // answers are not unpacked
])

export function isForbiddenHeader(name: string): boolean {
  return forbidden.has(name.toLowerCase())
}

export function isHeaderName(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(name)
}

/** Printable ASCII, blanks and tabs: no line can be added, and every server reads it alike. */
export function isHeaderValue(value: string): boolean {
  return /^[\t\x20-\x7e]*$/.test(value) && value.length <= 8_192
}
