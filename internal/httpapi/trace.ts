import type { Ctx } from './context.ts'

const w3c = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/** The W3C trace context of a request, or null when there is none or it is not valid (then a new trace may begin). */
export function traceparent(c: Ctx): string | null {
  const value = c.req.header('traceparent')?.trim() ?? ''
  return w3c.test(value) ? value : null
}

/** `X-Request-ID` as sent: 1 to 128 printable ASCII characters; null for anything else, which is replaced. */
export function requestIdOf(header: string | undefined): string | null {
  const value = header?.trim() ?? ''
  return /^[\x20-\x7e]{1,128}$/.test(value) ? value : null
}
