import { responseExcerptMax } from '../domain/attempt.ts'
import { cleanText, redact } from './text.ts'

/** Most bytes read of an answer. Beyond them the connection is cut: the status has decided already. */
export const responseBytesMax = 65_536
/** Longest message id that is stored. */
export const messageIdMax = 255

type HeaderValue = string | string[] | undefined
export type ResponseHeaders = Readonly<Record<string, HeaderValue>>

export interface ResponseBody {
  readonly bytes: Uint8Array
  /** False when it was cut: too big, too slow, or broken off. */
  readonly complete: boolean
}

/** The first value of a header, null without one. */
export function headerOf(headers: ResponseHeaders, name: string): string | null {
  const value = headers[name]
  return (Array.isArray(value) ? value[0] : value) ?? null
}

/**
 * The id the target gave: `X-Request-ID` or `X-Correlation-ID`, else `messageId` of a JSON body.
 * @param sentId what the request carried under those names: an echo of it is no id of the target's.
 */
export function messageIdOf(headers: ResponseHeaders, body: ResponseBody, sentId: string): string | null {
  for (const name of ['x-request-id', 'x-correlation-id']) {
    const id = cleanText(headerOf(headers, name) ?? '', messageIdMax)
    if (id !== '' && id !== cleanText(sentId, messageIdMax)) return id
  }
  if (!body.complete || body.bytes[0] !== 0x7b) return null // only an object can have one: 0x7b is "{"
  return cleanText(messageIdInJson(textOf(body.bytes)), messageIdMax) || null
}

function messageIdInJson(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== 'object' || parsed === null || !('messageId' in parsed)) return ''
    const id = parsed.messageId
    return typeof id === 'string' || typeof id === 'number' ? String(id) : ''
  } catch {
    return '' // a 2xx is a success whatever its body
  }
}

/** The beginning of a text body without the `secrets`, at most {@link responseExcerptMax} characters; else null. */
export function excerptOf(headers: ResponseHeaders, body: ResponseBody, secrets: readonly string[]): string | null {
  if (body.bytes.length === 0 || !isText(headers)) return null
  return cleanText(redact(textOf(body.bytes), secrets, body.complete), responseExcerptMax) || null
}

function isText(headers: ResponseHeaders): boolean {
  if (headerOf(headers, 'content-encoding') !== null) return false // none was asked for; not unpacked here
  const type = headerOf(headers, 'content-type') ?? 'text/plain'
  return /^(?:text\/|application\/(?:[\w.+-]*json|[\w.+-]*xml|x-www-form-urlencoded))/i.test(type.trim())
}

const decoder = new TextDecoder()

/** UTF-8, with a mark in place of what is none. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}
