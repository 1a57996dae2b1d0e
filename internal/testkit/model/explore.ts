import { isFinished } from '../../domain/status.ts'
import { nextStates } from './machine.ts'
import { type Bounds, firstState, type Next, type Setting, type State } from './machine-state.ts'
import type { ModelRow } from './row.ts'
import * as step from './steps.ts'

export interface Explored {
  readonly states: number
  readonly steps: number
  /** States in which the row is finished and nobody has anything in hand. */
  readonly ends: number
  /** The first violation with the steps that lead to it, null when there is none. */
  readonly violation: string | null
}

/** Every state that any order of steps can reach, each looked at once. */
export function explore(row: ModelRow, bounds: Bounds, setting: Omit<Setting, 'bounds'>): Explored {
  const full = { ...setting, bounds }
  const first = firstState(row, bounds)
  // A copy with an older token matches nothing, unless a planted mistake lets it.
  const withStale = setting.bugs.size > 0
  const from = new Map<string, { readonly key: string; readonly what: string }>()
  const seen = new Set([keyOf(first, withStale)])
  const open = [first]
  const drained = new Map<string, boolean>()
  let steps = 0
  let ends = 0
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const key = keyOf(state, withStale)
    const story = (last: string) => ({ states: seen.size, steps, ends, violation: tell(from, key, last) })
    if (!drains(state, drained)) return story('nobody would ever finish the row')
    if (isFinished(state.row.status) && state.workers.every((one) => one.phase === 'idle')) ends++
    for (const next of nextStates(state, full)) {
      steps++
      if (next.wrong !== null) return story(`${next.what}: ${next.wrong}`)
      remember(next, key)
    }
  }
  return { states: seen.size, steps, ends, violation: null }

  function remember(next: Next, key: string): void {
    const nextKey = keyOf(next.state, withStale)
    if (seen.has(nextKey)) return
    seen.add(nextKey)
    from.set(nextKey, { key, what: next.what })
    open.push(next.state)
  }
}

function tell(
  from: ReadonlyMap<string, { readonly key: string; readonly what: string }>,
  key: string,
  last: string,
): string {
  const steps = [last]
  for (let at = from.get(key); at !== undefined; at = from.get(at.key)) steps.unshift(at.what)
  return steps.join(' → ')
}

/** Whether scan, sweep and time alone would finish the row: nothing accepted waits for a worker that may be gone. */
function drains(state: State, known: Map<string, boolean>): boolean {
  const key = rowKey(state.row, state.nowMs)
  const answer = known.get(key) ?? drainsAlone(state.row, state.nowMs)
  known.set(key, answer)
  return answer
}

function drainsAlone(start: ModelRow, startMs: number): boolean {
  let row = start
  let nowMs = startMs
  for (let turn = 0; turn < 200; turn++) {
    if (isFinished(row.status)) return true
    const after = step.expireRow(row, nowMs) ?? step.sweepRow(row, 1_000, nowMs) ?? step.releaseDueRow(row, nowMs)
    const later = [row.dueAtMs, row.leaseUntilMs].filter((atMs) => atMs !== null).filter((atMs) => atMs > nowMs)
    if (after === null && later.length === 0) return false
    nowMs = after === null ? Math.min(...later) : nowMs
    row = after ?? row
  }
  return false
}

/** Two states with the same key behave alike: only what lies ahead counts of a time, and equal workers may change places. */
function keyOf(state: State, withStale: boolean): string {
  const { nowMs, row, copies, unpublished, workers, claims, left, notBeforeMs } = state
  const isLive = (token: number) => withStale || token >= row.leaseToken
  const ahead = (atMs: number) => Math.max(0, atMs - nowMs)
  const hands = workers.map((one, index) => {
    const owns = row.leaseOwner === `w${index}.${one.epoch}`
    return [one.phase, one.ref, one.claim, ahead(one.leaseEndsAtMs), one.result?.kind ?? '', owns].join()
  })
  const told = claims
    .filter((one) => one.accepted || workers.some(({ claim }) => claim === one.token))
    .map((one) => {
      const over = one.excuse === 'none' ? ahead(one.leaseUntilMs) : one.excuse
      return [one.token, one.generation, one.accepted, over].join()
    })
  return [
    rowKey(row, nowMs),
    copies.filter(isLive).join(),
    unpublished.filter(isLive).join(),
    ...hands.sort(),
    told.join(';'),
    Object.values(left).join(),
    ahead(notBeforeMs),
  ].join('|')
}

function rowKey(row: ModelRow, nowMs: number): string {
  const ahead = (atMs: number | null) => (atMs === null ? '' : Math.max(0, atMs - nowMs))
  return [
    row.status,
    row.generation,
    row.attemptCount,
    row.maxAttempts,
    row.publishCount,
    row.outcomeUnknown,
    row.leaseToken,
    row.reason,
    ahead(row.leaseUntilMs),
    ahead(row.dueAtMs),
    row.nextRetryAtMs === null,
    ahead(row.expiresAtMs),
    row.attempts.length,
  ].join()
}
