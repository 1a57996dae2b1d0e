import type { Change } from '../history.ts'
import { claimsOf } from './claims.ts'
import { type ExcuseCode, findExcuse } from './excuses.ts'
import { type Delivery, type Facts, groupBy, isTaken, mayBeTaken } from './facts.ts'
import type { Violation } from './violation.ts'

export interface Duplicates {
  /** Deliveries of what its target had answered with 2xx before. */
  readonly afterTaken: number
  /** Deliveries of what its target had got before without answering. */
  readonly afterSilence: number
  readonly excused: Readonly<Record<ExcuseCode, number>>
  readonly unexcused: number
}

/** Invariant 3: every delivery after one that may have been taken has its excuse in the evidence. */
export function checkDuplicates(facts: Facts): {
  readonly duplicates: Duplicates
  readonly violations: readonly Violation[]
} {
  const changes = groupBy(facts.changes, ({ id }) => id)
  const excused = { D1: 0, D2: 0, D3: 0, D4: 0 }
  const violations: Violation[] = []
  let [afterTaken, afterSilence] = [0, 0]
  for (const [key, deliveries] of groupBy(facts.deliveries, (one) => one.key)) {
    for (const [earlier, later] of repeats(deliveries)) {
      if (isTaken(earlier.status)) afterTaken += 1
      else afterSilence += 1
      const history = changes.get(earlier.id) ?? []
      const excuse = findExcuse(earlier, later, claimsOf(history), facts)
      if (excuse === null) violations.push({ invariant: 3, text: describe(key, earlier, later, history) })
      else excused[excuse.code] += 1
    }
  }
  return { duplicates: { afterTaken, afterSilence, excused, unexcused: violations.length }, violations }
}

/** Each repeat with the delivery that should have been the last. */
function repeats(deliveries: readonly Delivery[]): (readonly [Delivery, Delivery])[] {
  const found: (readonly [Delivery, Delivery])[] = []
  let taken: Delivery | null = null
  for (const delivery of deliveries) {
    if (taken !== null) found.push([taken, delivery])
    if (mayBeTaken(delivery)) taken = delivery
  }
  return found
}

function describe(key: string, earlier: Delivery, later: Delivery, history: readonly Change[]): string {
  const time = (at: number | null) => (at === null ? '-' : new Date(at).toISOString().slice(11, 23))
  const told = history.map(
    ({ at, from, to, attempt, token, owner, leaseUntil }) =>
      `${time(at)} ${from ?? 'new'}→${to} attempt ${attempt} token ${token} ${owner ?? ''} ${time(leaseUntil)}`,
  )
  const first = `arrived ${time(earlier.at)}, answered ${earlier.status ?? 'nothing'} ${time(earlier.answeredAt)}`
  return `${key} was sent again at ${time(later.at)} (first: ${first}; ${earlier.content})\n    ${told.join('\n    ')}`
}
