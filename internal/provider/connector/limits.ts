import { countSmsSegments } from '../../domain/sms-segments.ts'
import type { ConnectorMessage } from './message.ts'
import type { ConnectorRequest } from './request.ts'
import type { ConnectorDocument } from './schema.ts'

type Limits = ConnectorDocument['limits']
type ContentLimit = NonNullable<Limits['content']>
type LengthUnit = ContentLimit['unit']

/** Which limit of a connector a message breaks. */
export interface LimitProblem {
  readonly field: 'content' | 'title' | 'html' | 'data' | 'payload' | 'segments'
  readonly limit: number
  readonly unit: LengthUnit | 'segments' | 'parts'
  readonly measured: number
}

/** What the limits are about. */
type Limited = Pick<ConnectorMessage, 'key' | 'content' | 'title' | 'html' | 'data'>

export type LimitCheck<M extends Limited> =
  | {
      readonly ok: true
      /** What is sent, in order: one message, or several when the content was split. */
      readonly messages: readonly [M, ...M[]]
      /** Fields that were shortened. */
      readonly truncated: readonly ('content' | 'title' | 'html')[]
      /** SMS segments of all messages; null when the connector does not count them. */
      readonly segments: number | null
    }
  | { readonly ok: false; readonly problem: LimitProblem }

type LimitedConnector = { readonly document: Pick<ConnectorDocument, 'limits' | 'rates'> }

/**
 * Holds a message against the limits of a connector: what is too long is refused, shortened or split, as the document
 * says. The size of the request itself (`payload`) is known only when it is written, see `ConnectorSender.send`.
 */
export function checkLimits<M extends Limited>({ document }: LimitedConnector, message: M): LimitCheck<M> {
  const { limits, rates } = document
  const problem = dataProblem(limits, message)
  if (problem !== null) return { ok: false, problem }
  const truncated: ('content' | 'title' | 'html')[] = []
  let fitting = message
  for (const field of ['title', 'html'] as const) {
    const limit = limits[field]
    const text = message[field]
    if (limit === undefined || text === null || fits(text, limit)) continue
    if (limit.overflow === 'reject') return { ok: false, problem: tooLong(field, text, limit) }
    fitting = { ...fitting, [field]: truncate(text, limit) }
    truncated.push(field)
  }
  const contents =
    limits.content === undefined || fits(message.content, limits.content)
      ? null
      : shorten(message.content, limits.content)
  if (contents !== null && 'field' in contents) return { ok: false, problem: contents }
  if (contents?.length === 1) truncated.push('content')
  const [head, ...tail] = contents ?? []
  const first = head === undefined ? fitting : { ...fitting, content: head }
  const messages = [first, ...tail.map((content, index) => laterPart(fitting, content, index + 2))] as const
  const counts = limits.segments !== undefined || rates.some(({ cost }) => cost === 'segments')
  const segments = counts ? messages.reduce((sum, { content }) => sum + countSmsSegments(content), 0) : null
  const max = limits.segments?.max ?? Infinity
  if (segments !== null && segments > max)
    return { ok: false, problem: { field: 'segments', limit: max, unit: 'segments', measured: segments } }
  return { ok: true, messages, truncated, segments }
}

/** What a request weighs as it goes out. */
export function payloadProblem(
  { document }: LimitedConnector,
  { body }: Pick<ConnectorRequest, 'body'>,
): LimitProblem | null {
  const max = document.limits.payload?.maxBytes
  if (max === undefined || body === null) return null
  const measured = Buffer.byteLength(body)
  return measured <= max ? null : { field: 'payload', limit: max, unit: 'bytes', measured }
}

/** `content is 1800 chars long, at most 1600 are allowed`. */
export function formatLimitProblem({ field, limit, unit, measured }: LimitProblem): string {
  return `${field} is ${measured} ${unit} long, this connector takes at most ${limit}`
}

function dataProblem({ data }: Limits, message: Pick<Limited, 'data'>): LimitProblem | null {
  if (data === undefined || message.data === null) return null
  const measured = Buffer.byteLength(JSON.stringify(message.data))
  return measured <= data.maxBytes ? null : { field: 'data', limit: data.maxBytes, unit: 'bytes', measured }
}

function tooLong(field: 'content' | 'title' | 'html', text: string, { max, unit }: Measure): LimitProblem {
  return { field, limit: max, unit, measured: measure(text, unit) }
}

interface Measure {
  readonly max: number
  readonly unit: LengthUnit
}

function measure(text: string, unit: LengthUnit): number {
  if (unit === 'utf16') return text.length
  return unit === 'bytes' ? Buffer.byteLength(text) : codePoints(text)
}

function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

/** Counts only when it must: no unit is longer than three bytes for each UTF-16 unit. */
function fits(text: string, { max, unit }: Measure): boolean {
  if (text.length * (unit === 'bytes' ? 3 : 1) <= max) return true
  return measure(text, unit) <= max
}

function shorten(text: string, limit: ContentLimit): readonly string[] | LimitProblem {
  if (limit.overflow === 'reject') return tooLong('content', text, limit)
  if (limit.overflow === 'truncate') return [truncate(text, limit)]
  const parts = split(text, limit)
  if (parts.length <= limit.maxParts) return parts
  return { field: 'content', limit: limit.maxParts, unit: 'parts', measured: parts.length }
}

/** Title, HTML and data go with the first part; each other part has a key of its own, so that none is a repeat. */
function laterPart<M extends Limited>(message: M, content: string, part: number): M {
  return { ...message, key: `${message.key}#${part}`, content, title: null, html: null, data: null }
}

const ellipsis = '…'
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

function truncate(text: string, { max, unit }: Measure): string {
  const mark = measure(ellipsis, unit) < max ? ellipsis : ''
  return text.slice(0, cutAt(text, 0, { max: max - measure(mark, unit), unit })) + mark
}

/** Pieces that fit, cut after a line or a word where one ends in the second half of a piece. */
function split(text: string, limit: Measure): readonly string[] {
  const parts: string[] = []
  let start = 0
  while (start < text.length) {
    // What does not fit even alone goes alone: there is no shorter way to say it.
    const end = Math.max(cutAt(text, start, limit), start + String.fromCodePoint(text.codePointAt(start) ?? 0).length)
    const piece = text.slice(start, end)
    const nice = end === text.length ? piece.length : niceLength(piece)
    const part = piece.slice(0, nice).trim()
    if (part !== '') parts.push(part)
    start += nice
  }
  return parts
}

function niceLength(piece: string): number {
  for (const gap of ['\n', ' ']) {
    const at = piece.lastIndexOf(gap)
    if (at >= piece.length / 2) return at + 1
  }
  return piece.length
}

/** Where the longest piece from `start` that fits ends: between two characters as people see them. */
function cutAt(text: string, start: number, { max, unit }: Measure): number {
  // No unit counts a UTF-16 unit as less than a half, so what is beyond this cannot fit.
  const window = text.slice(start, start + max * 2 + 64)
  let end = 0
  let used = 0
  for (const { segment } of graphemes.segment(window)) {
    const size = measure(segment, unit)
    if (used + size > max) break
    used += size
    end += segment.length
  }
  if (end > 0) return start + end
  // One character with so many marks on it that it does not fit: cut between code points.
  for (const point of window) {
    const size = measure(point, unit)
    if (used + size > max) break
    used += size
    end += point.length
  }
  return start + end
}
