import { distance } from 'fastest-levenshtein'
import {
  contentFailpoints,
  type FailpointAction,
  type FailpointName,
  type FailpointRule,
  failpointActions,
  failpointNames,
} from '../domain/failpoint.ts'
import type { Parsed, Parser } from './parsers.ts'

const delayMsMax = 600_000
const form =
  /^(?<point>[^=]+)=(?<action>[^:?@#]+)(?::(?<ms>[^?@#]*))?(?:\?content=(?<content>[^@#]*))?(?:@(?<chance>[^#]*))?(?:#(?<nth>.*))?$/

/** `send.before=kill@0.01;publish.before=drop#3`, or `off`. Every entry that cannot be read is named. */
export const failpoints: Parser<readonly FailpointRule[]> = {
  expected:
    'off, or <point>=<kill, throw, drop or delay:ms>[?content=<text>][@<chance>][#<n>], with semicolons between',
  parse(raw): Parsed<readonly FailpointRule[]> {
    if (raw.toLowerCase() === 'off') return { ok: true, value: [] }
    const entries = raw.split(';').map((entry) => entry.trim())
    const read = entries.filter((entry) => entry !== '').map(readEntry)
    const problems = read.flatMap((one) => one.problems)
    if (problems.length > 0) return { ok: false, why: problems.join('; ') }
    const value = read.flatMap((one) => one.rule ?? [])
    return value.length === 0 ? { ok: false } : { ok: true, value }
  },
}

interface Entry {
  readonly rule: FailpointRule | null
  readonly problems: readonly string[]
}

function readEntry(entry: string): Entry {
  const parts = form.exec(entry)?.groups
  if (parts === undefined) return { rule: null, problems: [`${entry} is not <point>=<action>`] }
  const { point: pointText = '', action: actionText = '', ms, content = null, chance = '1', nth = null } = parts
  const point = failpointNames.find((name) => name === pointText) ?? null
  const action = readAction(actionText, ms)
  const probability = Number(chance)
  const turn = nth === null ? null : Number(nth)
  const problems = [
    ...(point === null ? [`there is no point ${pointText}${guess(pointText, failpointNames)}`] : []),
    ...(typeof action === 'string' ? [`${entry}: ${action}`] : []),
    ...(probability > 0 && probability <= 1 ? [] : [`${entry}: the chance is above 0 and at most 1`]),
    ...(turn === null || (Number.isSafeInteger(turn) && turn >= 1) ? [] : [`${entry}: # takes a whole number from 1`]),
    ...(content === null || (content !== '' && (point === null || hasContent(point)))
      ? []
      : [`${entry}: ?content= needs a text, and one of the points ${contentFailpoints.join(', ')}`]),
  ]
  if (problems.length > 0 || point === null || typeof action === 'string') return { rule: null, problems }
  return { rule: { point, action, content, probability, nth: turn }, problems }
}

/** The action, or what is wrong with it. */
function readAction(text: string, ms: string | undefined): FailpointAction | string {
  const kind = failpointActions.find((name) => name === text)
  if (kind === undefined) return `there is no action ${text}${guess(text, failpointActions)}`
  if (kind !== 'delay') return ms === undefined ? { kind } : `${kind} takes no time`
  const delayMs = /^\d+$/.test(ms ?? '') ? Number(ms) : Number.NaN
  return delayMs <= delayMsMax ? { kind, delayMs } : `delay takes milliseconds, at most ${delayMsMax}: delay:200`
}

function hasContent(point: FailpointName): boolean {
  return contentFailpoints.some((name) => name === point)
}

function guess(text: string, names: readonly string[]): string {
  const best = names.toSorted((a, b) => distance(text, a) - distance(text, b))[0] ?? ''
  return distance(text, best) <= Math.max(2, text.length / 3) ? `: did you mean ${best}?` : ` (${names.join(', ')})`
}
