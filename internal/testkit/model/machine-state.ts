import type { SendResult } from '../../domain/outcome.ts'
import { wrongMove } from './invariants.ts'
import type { ModelRow } from './row.ts'
import * as step from './steps.ts'

/**
 * Two workers, one scanner and one row as a machine of explicit steps: whatever may happen next, in every order. The
 * steps of the row are those of the store's model; the workers do what channel-worker, deliver and settle do.
 */

export interface Bounds {
  /** Workers that may die, each at any step. */
  readonly crashes: number
  /** Statements whose answer may be lost after they took effect. */
  readonly lostAnswers: number
  /** Workers that may stop gracefully between claim and send. */
  readonly stops: number
  /** References that may be put off by the limiter. */
  readonly defers: number
  /** Answers of the target that ask for a pause, which burns no budget. */
  readonly rateLimits: number
  readonly cancels: number
  readonly replays: number
}

export interface Setting {
  readonly bounds: Bounds
  readonly leaseMs: number
  readonly jobTimeoutMs: number
  readonly ttlMs: number
  readonly bugs: step.Bugs
}

/** What was done under one claim, remembered for the invariants only. */
export interface Claim {
  readonly token: number
  readonly attempt: number
  readonly generation: number
  readonly maxAttempts: number
  readonly leaseUntilMs: number
  /** The target took it. */
  readonly accepted: boolean
  /** Why the row may be sent again although it was accepted. */
  readonly excuse: 'none' | 'crash' | 'unknown' | 'late'
}

export interface Worker {
  readonly phase: 'idle' | 'claiming' | 'claimed' | 'sending' | 'settling' | 'late' | 'releasing'
  /** Token of the reference in hand. */
  readonly ref: number
  /** Token of the claim in hand. */
  readonly claim: number
  readonly leaseEndsAtMs: number
  readonly result: SendResult | null
  /** Names its calls: raised when one was given up, and by a crash. */
  readonly epoch: number
}

export interface State {
  readonly nowMs: number
  readonly row: ModelRow
  /** Tokens of every copy ever published: the broker may hand out any of them at any time, any number of times. */
  readonly copies: readonly number[]
  /** Released or accepted, and not yet published; the process that should do it may die first. */
  readonly unpublished: readonly number[]
  readonly workers: readonly Worker[]
  readonly claims: readonly Claim[]
  readonly left: Bounds
  /** No attempt may begin earlier. */
  readonly notBeforeMs: number
}

export interface Next {
  readonly what: string
  readonly state: State
  /** What is wrong with this step, null when nothing is. */
  readonly wrong: string | null
}

export const idle: Worker = { phase: 'idle', ref: 0, claim: 0, leaseEndsAtMs: 0, result: null, epoch: 0 }
/** All times of the machine are multiples of it: the fewer moments, the fewer states. */
export const backOffMs = 5_000

export function firstState(row: ModelRow, bounds: Bounds): State {
  const nowMs = 0
  return { nowMs, row, copies: [], unpublished: [0], workers: [idle, idle], claims: [], left: bounds, notBeforeMs: 0 }
}
/** Every change of the row passes here. */
export function checked(next: Next, before: State, after: ModelRow): Next {
  return { ...next, wrong: next.wrong ?? wrongMove(before.row, after) ?? wrongEnd(after, next.state.claims) }
}

function wrongEnd(row: ModelRow, claims: readonly Claim[]): string | null {
  const arrived = claims.some((one) => one.accepted && one.generation === row.generation)
  if (row.status === 'SENT' && !arrived) return 'SENT, and the target never took it'
  const isOff = row.status === 'FAILED' || row.status === 'CANCELED'
  if (isOff && !row.outcomeUnknown && arrived) return `${row.status} as if it had never arrived`
  return null
}
