import type { Change, Row } from '../history.ts'
import { type Claim, claimsOf } from './claims.ts'
import { type ExcuseCode, findExcuse } from './excuses.ts'
import { type Delivery, dropsRepeats, type Facts, groupBy, isRepeatable, isTaken, mayBeTaken } from './facts.ts'
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
  const rows = new Map(facts.rows.map((row) => [row.id, row]))
  const excused = { D1: 0, D2: 0, D3: 0, D4: 0 }
  const violations: Violation[] = []
  let [afterTaken, afterSilence] = [0, 0]
  for (const [key, deliveries] of groupBy(facts.deliveries, (one) => one.key)) {
    for (const [earlier, later] of repeats(deliveries)) {
      if (isTaken(earlier.status)) afterTaken += 1
      else afterSilence += 1
      const history = changes.get(earlier.id) ?? []
      const claims = claimsOf(history)
      const excuse = findExcuse(earlier, later, claims, facts, deliveries)
      const bar = barOf({ earlier, later, all: deliveries, row: rows.get(earlier.id) }, claims, facts)
      if (excuse === null || bar !== null) {
        const why = bar === null ? '' : `${bar}: `
        violations.push({ invariant: 3, text: why + describe(key, earlier, later, history) })
      } else excused[excuse.code] += 1
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

interface Repeat {
  readonly earlier: Delivery
  readonly later: Delivery
  /** Of this key. */
  readonly all: readonly Delivery[]
  readonly row: Row | undefined
}

/** What forbids a repeat over connections whatever has happened, null when nothing does. */
function barOf({ earlier, later, all, row }: Repeat, claims: readonly Claim[], facts: Facts): string | null {
  const over = earlier.connection
  if (!dropsRepeats(over, facts.connections)) return `${over} cannot drop a repeat`
  const isSame = over === later.connection
  const mayBeAny = claims.some(({ at, settled }) => !settled && at <= later.at)
  if (mayBeAny && (row === undefined || isRepeatable(row, facts))) return null
  // A result that was stored leaves this connection alone, whatever comes later; as does one of an attempt before it.
  const isOpenHere = claims.findLast(({ at }) => at <= earlier.at + arrivalMs)?.settled === true
  const isBound = isOpenHere || all.some((one) => one.at < earlier.at && one.connection === over && mayBeTaken(one))
  if (isBound) return isSame ? null : 'its outcome was open over another connection'
  return 'its process vanished, and not every connection drops repeats'
}

/** Between two clocks. */
const arrivalMs = 5

function describe(key: string, earlier: Delivery, later: Delivery, history: readonly Change[]): string {
  const time = (at: number | null) => (at === null ? '-' : new Date(at).toISOString().slice(11, 23))
  const told = history.map(
    ({ at, from, to, attempt, token, owner, leaseUntil }) =>
      `${time(at)} ${from ?? 'new'}→${to} attempt ${attempt} token ${token} ${owner ?? ''} ${time(leaseUntil)}`,
  )
  const first = `arrived ${time(earlier.at)}${overOf(earlier)}, answered ${earlier.status ?? 'nothing'} ${time(earlier.answeredAt)}`
  return `${key} was sent again at ${time(later.at)}${overOf(later)} (first: ${first}; ${earlier.content})\n    ${told.join('\n    ')}`
}

function overOf({ connection }: Delivery): string {
  return connection === null ? '' : ` over ${connection}`
}
