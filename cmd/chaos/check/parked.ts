import type { Change } from '../history.ts'
import { type Claim, claimsOf } from './claims.ts'
import { findExcuse, isLate, type Look } from './excuses.ts'
import { type Delivery, type Facts, groupBy, isRepeatable } from './facts.ts'
import type { Violation } from './violation.ts'

/** Between a claim and its end, and the arrival of what was sent under it. */
const slackMs = 5_000

/**
 * Of invariant 2: whoever ends as `parked` had an open outcome for a reason that the rig knows of, and a connection in
 * its route that cannot drop a repeat.
 */
export function checkParked(facts: Facts): Violation[] {
  const changes = groupBy(facts.changes, ({ id }) => id)
  const deliveries = groupBy(facts.deliveries, ({ id }) => id)
  return facts.rows.flatMap((row): Violation[] => {
    if (row.reason !== 'parked') return []
    const say = (text: string) => [{ invariant: 2, text: `${row.id} is parked, ${text}` }]
    if (!row.outcomeUnknown) return say('and its outcome is known')
    if (isRepeatable(row, facts)) return say('and every connection of its route drops repeats')
    const own = changes.get(row.id) ?? []
    const isOpen = claimsOf(own).some((claim) => wasLeftOpen(claim, deliveries.get(row.id) ?? [], facts))
    return isOpen ? [] : say(`and nothing left its outcome open${describe(own, deliveries.get(row.id) ?? [])}`)
  })
}

/** Whether nobody could know what became of what was sent under a claim, or whether anything was. */
function wasLeftOpen(claim: Claim, deliveries: readonly Delivery[], look: Look): boolean {
  const { at, endedAt } = claim
  const own = deliveries.filter((one) => one.at >= at - 5 && one.at <= (endedAt ?? Number.POSITIVE_INFINITY) + slackMs)
  const seen = own.length === 0 ? [unseen(at)] : own
  return seen.some((one) => isLate(one, claim, look) || findExcuse(one, one, [claim], look) !== null)
}

/** Stands for a request that no target has seen. */
function unseen(at: number): Delivery {
  const nothing = { id: '', generation: 0, key: '', connection: null, content: '', channel: '' }
  return { ...nothing, at, answeredAt: null, status: null }
}

function describe(changes: readonly Change[], deliveries: readonly Delivery[]): string {
  const steps = changes.map(({ at, from, to, owner }) => [at, `${from ?? 'new'}→${to} ${owner ?? ''}`] as const)
  const arrivals = deliveries.map(
    ({ at, connection, status, content }) => [at, `arrived over ${connection}: ${status} (${content})`] as const,
  )
  const lines = [...steps, ...arrivals].sort(([a], [b]) => a - b)
  return lines.map(([at, what]) => `\n    ${new Date(at).toISOString().slice(11, 23)} ${what}`).join('')
}
