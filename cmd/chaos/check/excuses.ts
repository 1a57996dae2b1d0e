import type { Disturbance, Subject } from '../evidence.ts'
import { type Claim, lifeOf } from './claims.ts'
import { type Delivery, type Facts, mayBeTaken } from './facts.ts'

/** The only reasons for which a target may get a notification again that it may have taken. */
export type ExcuseCode = 'D1' | 'D2' | 'D3' | 'D4'

export interface Excuse {
  readonly code: ExcuseCode
  /** For people: what the rig did, and when. */
  readonly evidence: string
}

/** Clocks of two processes on one machine, and the time a busy rig takes to write an arrival down. */
const slackMs = 2_000
/** A link that was away needs this long until a new connection stands. */
const relinkMs = 4_000
/** Of the time that a sender waits: two clocks, and what lies between a claim and its send. */
const givenUpShare = 0.9
/** Scripts after which the sender cannot know what the target did, or knows it too late. */
const unclear = /\[sink [^\]]*(reset|drop|hang|drip|huge|slow:\d{4})/

export type Look = Pick<Facts, 'disturbances' | 'lives' | 'jobTimeoutMs'>

/**
 * Why the notification of `earlier` was sent again although its target may have taken it. The excuse must lie in what
 * the rig did to the very process that sent it, or in what its target was told to do.
 * @param later the repeat; it may itself be the older attempt, arrived late.
 * @param claims of the notification, in order.
 * @param own deliveries of its key.
 * @returns null when nothing excuses it.
 */
export function findExcuse(
  earlier: Delivery,
  later: Delivery,
  claims: readonly Claim[],
  look: Look,
  own: readonly Delivery[] = [],
): Excuse | null {
  const before = claims.filter((claim) => claim.at <= earlier.at + 5)
  const [last] = before.slice(-1)
  if (last === undefined) return null
  return (
    diedBeforeItSettled(earlier, last, look) ??
    answerWasLost(earlier, last, look) ??
    // A process that slept past its lease sends under a claim that others have followed since.
    before.map((claim) => wasHalted(earlier, claim, look)).find((excuse) => excuse !== null) ??
    databaseWasAway(earlier, last, look) ??
    claims.map((claim) => wasKeptBack(later, claim, look)).find((excuse) => excuse !== null) ??
    wentAstray(later, claims, own, look)
  )
}

/**
 * An attempt was given up after all of its time, the way was disturbed meanwhile, and no target had seen anything of it:
 * its request was still on the way, and one of the two is it. So it is where everything is slow for long.
 */
function wentAstray(later: Delivery, claims: readonly Claim[], own: readonly Delivery[], look: Look): Excuse | null {
  const astray = strayOf(later.at, claims, own, look)
  return astray === null ? null : { code: 'D2', evidence: `nothing of process ${astray.pid} came in its time` }
}

/** An attempt before `until` whose request no target has seen in its time. */
export function strayOf(
  until: number,
  claims: readonly Claim[],
  own: readonly Delivery[],
  { jobTimeoutMs, disturbances }: Pick<Look, 'jobTimeoutMs' | 'disturbances'>,
): Claim | null {
  const isStray = ({ at, endedAt, settled, pid }: Claim) =>
    settled &&
    endedAt !== null &&
    endedAt <= until &&
    endedAt - at >= jobTimeoutMs * givenUpShare &&
    findDisturbance(disturbances, 'target', pid, at - slackMs, endedAt) !== null &&
    !own.some((one) => one.at >= at - 5 && one.at <= endedAt)
  return claims.find(isStray) ?? null
}

function diedBeforeItSettled(earlier: Delivery, claim: Claim, { lives }: Look): Excuse | null {
  if (claim.settled) return null // its result was stored, so its death explains nothing
  const life = lifeOf(claim, lives)
  if (life?.how !== 'killed' || life.endedAt === null) return null
  if (life.endedAt < earlier.at - slackMs || life.endedAt > claim.leaseUntil) return null
  return { code: 'D1', evidence: `process ${claim.pid} died ${ago(life.endedAt, earlier.at)} its arrival` }
}

/** A send begins after its claim, and is given up so long after it began: its answer may have found nobody waiting. */
export function isLate(delivery: Delivery, claim: Claim, { jobTimeoutMs }: Pick<Look, 'jobTimeoutMs'>): boolean {
  return (delivery.answeredAt ?? delivery.at) - claim.at >= jobTimeoutMs * givenUpShare
}

function answerWasLost(earlier: Delivery, claim: Claim, look: Look): Excuse | null {
  const answeredAt = earlier.answeredAt ?? earlier.at + look.jobTimeoutMs
  if (isLate(earlier, claim, look) && mayBeTaken(earlier)) {
    return { code: 'D2', evidence: `late: it came ${earlier.at - claim.at} ms after its claim` }
  }
  if (unclear.test(earlier.content)) return { code: 'D2', evidence: `its target was told: ${earlier.content}` }
  const from = earlier.at - slackMs
  const to = Math.max(answeredAt, earlier.at + look.jobTimeoutMs)
  const lost = findDisturbance(look.disturbances, 'target', claim.pid, from, to)
  if (lost !== null) return { code: 'D2', evidence: `${lost.what} from ${ago(lost.from, earlier.at)} its arrival` }
  const halted = findDisturbance(look.disturbances, 'process', claim.pid, from, to)
  if (halted === null || halted.to > claim.leaseUntil) return null
  return { code: 'D2', evidence: `process ${claim.pid} was halted (${halted.what}) while the answer came` }
}

function wasHalted(earlier: Delivery, claim: Claim, { disturbances }: Look): Excuse | null {
  const halted = findDisturbance(disturbances, 'process', claim.pid, claim.leaseUntil - slackMs, claim.leaseUntil)
  if (halted === null || halted.from < claim.at - slackMs) return null
  return { code: 'D3', evidence: `process ${claim.pid} was halted (${halted.what}) ${ago(halted.from, earlier.at)} it` }
}

/**
 * The network kept the request of an earlier attempt, whose sender had given up on it: another attempt overtook it, and
 * it arrived when the way was free again.
 */
function wasKeptBack(later: Delivery, claim: Claim, { disturbances, jobTimeoutMs }: Look): Excuse | null {
  if (claim.at > later.at) return null
  const kept = findDisturbance(disturbances, 'target', claim.pid, claim.at, claim.at + jobTimeoutMs)
  if (kept === null || later.at < kept.from || later.at > kept.to + slackMs) return null
  return { code: 'D2', evidence: `${kept.what} kept the request of process ${claim.pid} until ${later.at}` }
}

/** Away until the lease ended: had it come back before, the kept result would have been stored. */
function databaseWasAway(earlier: Delivery, claim: Claim, { disturbances }: Look): Excuse | null {
  const { leaseUntil, pid } = claim
  const away = findDisturbance(disturbances, 'postgres', pid, leaseUntil - relinkMs, leaseUntil)
  if (away === null || claim.settled || away.from > leaseUntil) return null
  return { code: 'D4', evidence: `${away.what} from ${ago(away.from, earlier.at)} it until the lease ended` }
}

function findDisturbance(
  disturbances: readonly Disturbance[],
  subject: Subject,
  pid: number,
  from: number,
  to: number,
): Disturbance | null {
  return (
    disturbances.find(
      (one) => one.subject === subject && (one.pid === null || one.pid === pid) && one.from <= to && one.to >= from,
    ) ?? null
  )
}

function ago(at: number, other: number): string {
  const ms = Math.round(at - other)
  return ms >= 0 ? `${ms} ms after` : `${-ms} ms before`
}
