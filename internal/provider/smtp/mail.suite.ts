/** As much of MIME as is needed to see what a person would see. */

export interface ReadMail {
  /** By name in lower case, decoded; of several under one name the last. */
  readonly headers: ReadonlyMap<string, string>
  readonly text: string
  readonly html: string
}

/** @param raw what the relay got, dots unstuffed. */
export function readMail(raw: string): ReadMail {
  const { headers, body } = split(raw)
  const type = headers.get('content-type') ?? ''
  const boundary = /boundary="?([^";]+)"?/.exec(type)?.[1]
  const parts = boundary === undefined ? [{ headers, body }] : partsOf(body, boundary)
  const textOf = (wanted: string) => {
    const part = parts.find((one) => (one.headers.get('content-type') ?? '').startsWith(wanted))
    return part === undefined ? '' : decodeBody(part.body, part.headers.get('content-transfer-encoding') ?? '7bit')
  }
  const decoded = [...headers].map(([name, value]) => [name, decodeWords(value)] as const)
  return { headers: new Map(decoded), text: textOf('text/plain'), html: textOf('text/html') }
}

function split(raw: string) {
  const at = raw.indexOf('\r\n\r\n')
  const lines = raw
    .slice(0, at)
    .replace(/\r\n(?=[ \t])/g, '')
    .split('\r\n')
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
  })
  return { headers: new Map(headers), body: raw.slice(at + 4) }
}

function partsOf(body: string, boundary: string) {
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`)
  return pieces.slice(1, -1).map((piece) => split(piece.slice(2)))
}

function decodeBody(body: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString()
  if (encoding !== 'quoted-printable') return body
  const octets = body
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(octets, 'latin1').toString()
}

function decodeWords(value: string): string {
  return value
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?utf-8\?([QB])\?([^?]*)\?=/gi, (_, kind: string, text: string) =>
      kind.toUpperCase() === 'B'
        ? Buffer.from(text, 'base64').toString()
        : decodeBody(text.replace(/_/g, ' '), 'quoted-printable'),
    )
}
