import type { TryResult } from '../../port/outlet.ts'
import { headerOf, type ResponseHeaders } from '../response-body.ts'
import { parseRetryAfterMs } from '../retry-after.ts'
import { parsePath, valueAt } from './json-path.ts'
import type { ConnectorDocument } from './schema.ts'
import { durationMs } from './values.ts'

type Rule = ConnectorDocument['errors'][number]
type Source = NonNullable<Rule['retryAfter']>[number]
type Unit = NonNullable<Source['unit']>

/** Longest wait that is believed: quotas of a month are told as such. What acts on it may cap it further. */
const waitMsMax = 31 * 86_400_000

interface Told {
  header(name: string): string | null
  readonly json: unknown
}
export type WaitReader = (answer: Told, now: Date) => number | null

/** Reads the longest wait that the sources give, else the longest default among them, else null. */
export function compileWaits(sources: readonly Source[]): WaitReader {
  const readers = sources.filter((source) => source.default === undefined).map(compileSource)
  const defaults = sources.flatMap((source) => (source.default === undefined ? [] : [durationMs(source.default)]))
  const fallback = defaults.length === 0 ? null : Math.max(...defaults)
  return (answer, now) => {
    const waits = readers.map((read) => read(answer, now)).filter((wait) => wait !== null)
    return waits.length === 0 ? fallback : Math.max(...waits)
  }
}

function compileSource({ header, path, unit }: Source): WaitReader {
  if (header !== undefined) return (answer, now) => readHeader(answer.header(header), unit, now)
  const segments = parsePath(path ?? '$')
  return (answer, now) => inUnit(numberOf(valueAt(answer.json, segments)), unit ?? 's', now)
}

function readHeader(value: string | null, unit: Unit | undefined, now: Date): number | null {
  const number = numberOf(value)
  if (unit !== undefined || number !== null) return inUnit(number, unit ?? 's', now)
  return parseRetryAfterMs(value, now)
}

function numberOf(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  return typeof value === 'string' && /^\d{1,16}(?:\.\d{1,9})?$/.test(value.trim()) ? Number(value) : null
}

/** Whole milliseconds from now, rounded up; null for what is past or no number. */
function inUnit(value: number | null, unit: Unit, now: Date): number | null {
  if (value === null) return null
  const perUnit = unit === 's' || unit === 'epoch_s' ? 1_000 : 1
  const from = unit === 'epoch_s' || unit === 'epoch_ms' ? now.getTime() : 0
  const waitMs = Math.ceil(value * perUnit - from)
  return waitMs >= 0 ? Math.min(waitMs, waitMsMax) : null
}

export type ThrottleReader = (headers: ResponseHeaders, now: Date) => TryResult['throttle']

/** Reads the headers of every answer, good or bad; null when none of them is there. */
export function compileThrottle(source: ConnectorDocument['throttle']): ThrottleReader {
  if (source === undefined) return () => null
  const { remaining, resetAfter, bucket } = source
  return (headers, now) => {
    const told = {
      remaining: remaining === undefined ? null : numberOf(headerOf(headers, remaining)),
      resetAfterMs:
        resetAfter === undefined ? null : readHeader(headerOf(headers, resetAfter.header), resetAfter.unit, now),
      bucket: bucket === undefined ? null : headerOf(headers, bucket),
    }
    return told.remaining === null && told.resetAfterMs === null && told.bucket === null ? null : told
  }
}
