import type { LogFields } from '../port/telemetry.ts'

const textBytesMax = 1_024
/** Without their separators and case, so that `API_KEY`, `api-key` and `apiKey` are one. */
const secretNames = new Set([
  'authorization',
  'apikey',
  'xapikey',
  'managementapikey',
  'password',
  'secret',
  'token',
  'cookie',
  'recipient',
  'content',
  'title',
  'html',
  'body',
])
/** Written by the logger itself. */
const ownNames = new Set(['level', 'time', 'msg', 'service', 'version'])

/**
 * The second safety: callers do not pass recipients, content or keys; should one do so after all, it ends here. Only
 * plain values pass, long texts are cut, passwords in URLs are masked.
 */
export function safeFields(fields: LogFields): Record<string, string | number | boolean | null> {
  const safe: Record<string, string | number | boolean | null> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    safe[ownNames.has(name) ? `${name}_` : name] = isSecret(name) ? '[redacted]' : safeValue(value)
  }
  return safe
}

/** Cuts to 1 KiB and masks passwords in URLs. */
export function safeText(text: string): string {
  const masked = text.includes('://') ? text.replaceAll(/:\/\/[^\s/@]+@/g, '://***@') : text
  if (masked.length * 3 <= textBytesMax || Buffer.byteLength(masked) <= textBytesMax) return masked
  const cut = Buffer.from(masked.slice(0, textBytesMax)).subarray(0, textBytesMax - 3)
  return `${cut.toString('utf8').replace(/\uFFFD+$/, '')}…`
}

function isSecret(name: string): boolean {
  return secretNames.has(name.toLowerCase().replaceAll(/[-_]/g, ''))
}

/** The type forbids everything else, a caller in a hurry may not: such a thing is named, never spread out. */
function safeValue(value: unknown): string | number | boolean | null {
  if (typeof value === 'string') return safeText(value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value
  return `[${typeof value}]`
}
