import { type Claim, claimsOf } from './claims.ts'
import { checkDuplicates, type Duplicates } from './duplicates.ts'
import { isLate, strayOf } from './excuses.ts'
import { type Delivery, type Facts, groupBy, isTaken } from './facts.ts'
import { checkPace } from './pace.ts'
import { checkParked } from './parked.ts'
import { checkPriorities } from './priorities.ts'
import { checkTransitions, isTerminal } from './transitions.ts'
import type { Violation } from './violation.ts'

export interface Verdict {
  readonly accepted: number
  /** Accepted, and without a row, without an end, or SENT without a target that took it. */
  readonly lost: number
  readonly deliveries: number
  readonly byEnd: Readonly<Record<string, number>>
  /** Deliveries over each; what came from the plain webhook is not counted here. */
  readonly byConnection: Readonly<Record<string, number>>
  readonly duplicates: Duplicates
  readonly violations: readonly Violation[]
}

/** Retry-After is in whole seconds of two clocks. */
const retryAfterSlackMs = 100
/** Of a wait that one process was told the others hear within a quarter of a second, and what they begin by then is sent. */
const othersHearMs = 750
/** A link that was away needs so long until it stands. */
const disturbedBeforeMs = 1_000

/** Holds everything that is known against the invariants. Only for a world at rest: nothing under way, all drained. */
export function check(facts: Facts): Verdict {
  const ends = checkEnds(facts)
  const { duplicates, violations } = checkDuplicates(facts)
  const byEnd: Record<string, number> = {}
  for (const { status, reason, outcomeUnknown } of facts.rows) {
    const end = [status, reason, outcomeUnknown ? 'outcome unknown' : null].filter((part) => part !== null).join(' ')
    byEnd[end] = (byEnd[end] ?? 0) + 1
  }
  return {
    accepted: facts.promised.length,
    lost: new Set(ends.filter(({ lostId }) => lostId !== null).map(({ lostId }) => lostId)).size,
    deliveries: facts.deliveries.length,
    byEnd,
    byConnection: countByConnection(facts),
    duplicates,
    violations: [
      ...ends.map(({ violation }) => violation),
      ...violations,
      ...checkParked(facts),
      ...checkTransitions(facts.changes),
      ...checkAttempts(facts),
      ...checkRetryAfter(facts),
      ...checkKeys(facts),
      ...checkPace(facts),
      ...checkPriorities(facts),
    ],
  }
}

function countByConnection({ deliveries }: Facts): Readonly<Record<string, number>> {
  const over = deliveries.flatMap(({ connection }) => connection ?? [])
  return Object.fromEntries([...groupBy(over, (name) => name)].map(([name, own]) => [name, own.length]))
}

interface End {
  readonly violation: Violation
  readonly lostId: string | null
}

/** Invariants 1 and 2. */
function checkEnds(facts: Facts): End[] {
  const taken = new Set<string>()
  const takenNow = new Set<string>()
  for (const { id, key, status } of facts.deliveries) {
    if (!isTaken(status)) continue
    taken.add(id)
    takenNow.add(key)
  }
  const rows = new Map(facts.rows.map((row) => [row.id, row]))
  const missing = facts.promised.flatMap(({ id, key }): End[] =>
    rows.has(id) ? [] : [{ violation: { invariant: 1, text: `${id} (${key}) was accepted and is gone` }, lostId: id }],
  )
  const wrong = facts.rows.flatMap(({ id, status, generation, outcomeUnknown }): End[] => {
    const say = (invariant: number, text: string, lost: boolean) => [
      { violation: { invariant, text: `${id} ${text}` }, lostId: lost ? id : null },
    ]
    if (!isTerminal(status)) return say(1, `stayed ${status}`, true)
    if (status === 'SENT' && !taken.has(id)) return say(2, 'is SENT, and no target took it', true)
    if (status !== 'SENT' && !outcomeUnknown && takenNow.has(`${id}:${generation}`)) {
      return say(2, `is ${status} with a known outcome, and a target took it`, false)
    }
    return []
  })
  return [...missing, ...wrong]
}

/** Invariant 5. */
function checkAttempts({ rows, attempts }: Facts): Violation[] {
  const byId = groupBy(attempts, ({ id }) => id)
  return rows.flatMap(({ id, attempts: count }) => {
    const numbers = (byId.get(id) ?? []).map(({ number }) => number)
    const isComplete = numbers.length === count && numbers.every((number, index) => number === index + 1)
    return isComplete ? [] : [{ invariant: 5, text: `${id} has ${count} attempts, logged are ${numbers.join(', ')}` }]
  })
}

/** Invariant 6, seen from the target: the n-th delivery of `[sink 429:2 200]` there was told to stay away for 2 s. */
function checkRetryAfter(facts: Facts): Violation[] {
  const untold = new Set(facts.connections.flatMap(({ id, tellsNoWait }) => (tellsNoWait === true ? id : [])))
  const told = facts.deliveries.filter(({ connection }) => connection === null || !untold.has(connection))
  const changes = groupBy(facts.changes, ({ id }) => id)
  return [...groupBy(told, ({ key, connection }) => `${key} over ${connection}`)].flatMap(([key, own]) =>
    own.flatMap((delivery, index) => {
      const next = own[index + 1]
      const waitMs = waitAskedMs(delivery, index)
      if (next === undefined || waitMs === 0 || delivery.answeredAt === null) return []
      const cameAfterMs = next.at - delivery.answeredAt
      if (cameAfterMs >= waitMs - retryAfterSlackMs) return []
      const claims = claimsOf(changes.get(delivery.id) ?? [])
      if (mayBeLost(delivery, claims, facts) || isUnheard(delivery, cameAfterMs, facts)) return []
      if (strayOf(next.at, claims, own, facts) !== null) return []
      return [{ invariant: 6, text: `${key} came back after ${cameAfterMs} ms, told was ${waitMs} ms` }]
    }),
  )
}

/** An answer that was lost on its way, or came when nobody waited any more, binds nobody. */
function mayBeLost(delivery: Delivery, claims: readonly Claim[], facts: Facts): boolean {
  const { disturbances, jobTimeoutMs } = facts
  const isDisturbed = disturbances.some(
    ({ subject, from, to }) =>
      subject === 'target' && from <= delivery.at + jobTimeoutMs && to >= delivery.at - disturbedBeforeMs,
  )
  const claim = claims.findLast(({ at }) => at <= delivery.at + 5)
  return isDisturbed || (claim !== undefined && isLate(delivery, claim, facts))
}

/** What a connection asks for, one process hears; the others are told through Redis, a little later or not at all. */
function isUnheard({ connection, at }: Delivery, cameAfterMs: number, { counters, disturbances }: Facts): boolean {
  if (connection === null || counters.replicas === 1) return false
  const isCutOff = ({ subject, from, to }: Facts['disturbances'][number]) =>
    subject === 'redis' && from <= at + cameAfterMs && to >= at - disturbedBeforeMs
  return cameAfterMs < othersHearMs || disturbances.some(isCutOff)
}

function waitAskedMs({ content, status }: Delivery, index: number): number {
  const steps = /\[sink ([^\]]*)\]/.exec(content)?.[1]?.split(' ') ?? []
  const [code, seconds] = (steps[Math.min(index, steps.length - 1)] ?? '').split(':')
  return Number(code) === status && seconds !== undefined ? Number(seconds) * 1_000 : 0
}

/** Invariants 3 (all copies of a generation carry its key) and 9 (one id for one key). */
function checkKeys({ rows, deliveries }: Facts): Violation[] {
  const ids = new Map(rows.map((row) => [row.id, row]))
  const strangers = deliveries.flatMap(({ key, id, generation }) => {
    const row = ids.get(id)
    const isOurs = row !== undefined && generation >= 0 && generation <= row.generation
    return isOurs ? [] : [{ invariant: 3, text: `a delivery carried the key "${key}"` }]
  })
  const holders = new Map<string, string>()
  const twins = rows.flatMap(({ id, key }) => {
    const other = key === null ? undefined : holders.get(key)
    if (key !== null) holders.set(key, id)
    return other === undefined ? [] : [{ invariant: 9, text: `key ${key} stands for ${other} and for ${id}` }]
  })
  return [...strangers, ...twins]
}
