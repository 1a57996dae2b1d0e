import type { Change, Row } from '../history.ts'
import { type Facts, groupBy } from './facts.ts'
import type { Violation } from './violation.ts'

/** So many have waited so long: then no engine can have missed that there is work of that priority. */
const waitingMin = 20
const waitedMs = 1_000
/** Served about 6 : 3 : 1, high gets six times what low gets; a half says that it is not served first. */
const lowShareMax = 0.5
/** Among so many claims low is expected ten times. */
const claimsUntilLow = 100

type Priority = 'HIGH' | 'LOW'

interface Window {
  readonly from: number
  to: number
  readonly claims: Record<Priority | 'NORMAL', number>
}

/**
 * Invariant 8, in the times that the rig kept free of anything else: while high work waits, low gets no more than its
 * share and what is under way; while low work waits, it moves.
 */
export function checkPriorities(facts: Facts): Violation[] {
  const rows = new Map(facts.rows.map((row) => [row.id, row]))
  const byChannel = groupBy(facts.changes, ({ id }) => rows.get(id)?.channel ?? '')
  return facts.fairSpans.flatMap(({ from, to }) => {
    const channels = [...byChannel].map(([channel, changes]) => {
      const events = eventsOf(changes, rows, from, to)
      return { channel, high: windowsOf(events, 'HIGH'), low: windowsOf(events, 'LOW') }
    })
    return [
      ...channels.flatMap(({ channel, high }) => high.flatMap((window) => judgeHigh(channel, window, facts.slots))),
      ...channels.flatMap(({ channel, low }) => low.flatMap((window) => judgeLow(channel, window))),
      ...judgeRig(channels.flatMap(({ high }) => high)),
    ]
  })
}

/** A watch that saw nothing proves nothing. */
function judgeRig(windows: readonly Window[]): Violation[] {
  const most = Math.max(0, ...windows.map(({ claims }) => claims.HIGH + claims.NORMAL + claims.LOW))
  if (most >= claimsUntilLow) return []
  return [{ invariant: 0, text: `priorities were to be judged, and only ${most} began while high work waited` }]
}

function judgeHigh(channel: string, { from, to, claims }: Window, slots: number): Violation[] {
  if (claims.LOW <= claims.HIGH * lowShareMax + slots) return []
  const text = `${channel}: ${claims.LOW} of low and ${claims.HIGH} of high priority began`
  return [{ invariant: 8, text: `${text} within ${Math.round(to - from)} ms, while high work waited` }]
}

function judgeLow(channel: string, { from, to, claims }: Window): Violation[] {
  const others = claims.HIGH + claims.NORMAL
  if (claims.LOW > 0 || others < claimsUntilLow) return []
  const text = `${channel}: ${others} of higher priority and none of low began within ${Math.round(to - from)} ms`
  return [{ invariant: 8, text: `${text}, while low work waited` }]
}

interface Event {
  readonly at: number
  readonly priority: Row['priority']
  /** How many more wait from now on; 0 for a claim. */
  readonly more: 1 | -1 | 0
}

/** Claims, and when a row has waited long and when it waits no more, in order. */
function eventsOf(changes: readonly Change[], rows: ReadonlyMap<string, Row>, from: number, to: number): Event[] {
  const events: Event[] = []
  for (const [id, own] of groupBy(changes, (change) => change.id)) {
    const priority = rows.get(id)?.priority ?? ''
    let since: number | null = null
    for (const { at, to: status, nextRetryAt } of own) {
      if (status === 'SENDING' && at >= from && at <= to) events.push({ at, priority, more: 0 })
      // Put off for want of a permit it still waits.
      if (since !== null && status === 'QUEUED') continue
      if (since !== null) events.push(...waited(since, at, priority, from, to))
      since = status === 'QUEUED' && (nextRetryAt ?? 0) <= at ? at : null
    }
    if (since !== null) events.push(...waited(since, to, priority, from, to))
  }
  return events.sort((a, b) => a.at - b.at || a.more - b.more)
}

function waited(since: number, until: number, priority: string, from: number, to: number): readonly Event[] {
  const begin = Math.max(since, from) + waitedMs
  const end = Math.min(until, to)
  if (end <= begin) return []
  return [
    { at: begin, priority, more: 1 },
    { at: end, priority, more: -1 },
  ]
}

/** Times in which many of `priority` had waited long, without a break. */
function windowsOf(events: readonly Event[], priority: Priority): Window[] {
  const windows: Window[] = []
  let open: Window | null = null
  let waiting = 0
  for (const event of events) {
    if (event.priority === priority) waiting += event.more
    if (waiting < waitingMin) open = null
    else if (open === null) {
      open = { from: event.at, to: event.at, claims: { HIGH: 0, NORMAL: 0, LOW: 0 } }
      windows.push(open)
    }
    if (open === null) continue
    open.to = event.at
    if (event.more === 0 && (event.priority === 'HIGH' || event.priority === 'NORMAL' || event.priority === 'LOW'))
      open.claims[event.priority] += 1
  }
  return windows
}
