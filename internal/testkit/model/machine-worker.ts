import { leaseMarginMs } from '../../dispatch/deliver.ts'
import { attemptOutcome, decideOutcome, type SendResult } from '../../domain/outcome.ts'
import { releasedDueMs } from '../../domain/protocol.ts'
import {
  backOffMs,
  type Claim,
  checked,
  idle,
  type Next,
  type Setting,
  type State,
  type Worker,
} from './machine-state.ts'
import type { ModelRow } from './row.ts'
import * as step from './steps.ts'

const policy = { baseDelayMs: backOffMs, maxDelayMs: backOffMs, maxJitterMs: 0 }
const failure = { statusCode: null, responseExcerpt: null, code: 'x', message: 'x', retryAfterMs: null }
const yes: SendResult = { kind: 'accepted', providerMessageId: null, statusCode: 200, responseExcerpt: null }

export function workerSteps(state: State, index: number, setting: Setting): readonly Next[] {
  const worker = state.workers[index]
  if (worker === undefined) return []
  const may = { state, worker, index, setting }
  const crash = worker.phase === 'idle' ? [] : crashStep(may)
  switch (worker.phase) {
    case 'idle':
      return state.copies
        .filter((token) => token >= state.row.leaseToken || setting.bugs.size > 0)
        .flatMap((token) => [...claimSteps(may, token), ...deferSteps(may, token)])
    case 'claiming':
      return [...claimSteps(may, worker.ref), ...crash]
    case 'claimed':
      return [...beginSteps(may), ...crash]
    case 'sending':
      return [...answerSteps(may), ...crash]
    case 'settling':
      return [...settleSteps(may), ...crash]
    case 'late':
      return [...lateSteps(may), ...crash]
    case 'releasing':
      return [...releaseSteps(may), ...crash]
  }
}

/** A worker that is about to do something. */
interface Turn {
  readonly state: State
  readonly worker: Worker
  readonly index: number
  readonly setting: Setting
}

function becomes(state: State, index: number, change: Partial<Worker>): readonly Worker[] {
  return state.workers.map((one, at) => (at === index ? { ...one, ...change } : one))
}

function fine(turn: Turn, what: string, change: Partial<Worker>, rest: Partial<State> = {}): Next {
  const state = { ...turn.state, ...rest }
  return {
    what: `worker ${turn.index} ${what}`,
    state: { ...state, workers: becomes(state, turn.index, change) },
    wrong: null,
  }
}

/** Whatever it calls next has another owner name. */
function letGo(worker: Worker): Worker {
  return { ...idle, epoch: worker.epoch + 1 }
}

/** The answer of a statement that took effect is lost: the worker repeats it, or gives up. */
function lost(turn: Turn, what: string, hand: Partial<Worker>, rest: Partial<State>): readonly Next[] {
  const { left } = turn.state
  if (left.lostAnswers === 0) return []
  const changed = { ...rest, left: { ...left, lostAnswers: left.lostAnswers - 1 } }
  return [
    fine(turn, `${what}, answer lost`, hand, changed),
    fine(turn, `${what}, answer lost, gives up`, letGo(turn.worker), changed),
  ]
}

function excuse(claims: readonly Claim[], token: number, why: Claim['excuse']): readonly Claim[] {
  return claims.map((one) => (one.token === token && one.excuse === 'none' ? { ...one, excuse: why } : one))
}

function crashStep(turn: Turn): readonly Next[] {
  const { state, worker } = turn
  if (state.left.crashes === 0) return []
  const left = { ...state.left, crashes: state.left.crashes - 1 }
  const claims = excuse(state.claims, worker.claim, 'crash')
  return [fine(turn, `dies while ${worker.phase}`, letGo(worker), { left, claims })]
}

/** A copy whose claim has no effect is not looked at again: nothing has changed. */
function claimSteps(turn: Turn, ref: number): readonly Next[] {
  const { state, worker, index, setting } = turn
  const { row, nowMs } = state
  const repeats = worker.phase === 'claiming'
  const lease = { owner: `w${index}.${worker.epoch}`, durationMs: setting.leaseMs }
  const after = step.claimRow(row, ref, lease, nowMs, setting.bugs)
  const own = step.wasClaimedBy(row, ref, lease.owner, nowMs) ? row : null
  const won = after ?? own
  if (won === null) return repeats ? [fine(turn, 'finds its copy stale', letGo(worker))] : []
  const claims = after === null ? state.claims : [...lateOnes(state), claimOf(after, nowMs + setting.leaseMs)]
  const leaseEndsAtMs = repeats ? worker.leaseEndsAtMs : nowMs + setting.leaseMs
  const hand = { ref, claim: won.leaseToken, leaseEndsAtMs }
  const rest = { row: won, claims }
  const taken = fine(turn, `claims ${won.leaseToken}`, { ...hand, phase: 'claimed' }, rest)
  const moved = after === null ? taken : checked(taken, state, after)
  return [moved, ...lost(turn, `claims ${won.leaseToken}`, { ...hand, phase: 'claiming' }, rest)]
}

function claimOf(row: ModelRow, leaseUntilMs: number): Claim {
  const { leaseToken: token, attemptCount: attempt, generation, maxAttempts } = row
  return { token, attempt, generation, maxAttempts, leaseUntilMs, accepted: false, excuse: 'none' }
}

/** Claims whose lease is over by the time of the next claim: their workers were paused, and may have been sending. */
function lateOnes(state: State): readonly Claim[] {
  return state.claims.map((one) =>
    one.excuse === 'none' && one.leaseUntilMs <= state.nowMs ? { ...one, excuse: 'late' } : one,
  )
}

function deferSteps(turn: Turn, ref: number): readonly Next[] {
  const { state } = turn
  const after = step.deferRow(state.row, ref, backOffMs, state.nowMs)
  if (state.left.defers === 0 || after === null) return []
  const left = { ...state.left, defers: state.left.defers - 1 }
  const notBeforeMs = Math.max(state.notBeforeMs, after.dueAtMs ?? 0)
  return [checked(fine(turn, 'defers', {}, { row: after, left, notBeforeMs }), state, after)]
}

function beginSteps(turn: Turn): readonly Next[] {
  const { state, worker, setting } = turn
  const lastStartMs = worker.leaseEndsAtMs - leaseMarginMs - setting.jobTimeoutMs
  if (state.nowMs > lastStartMs) return [fine(turn, 'is too late to send', { phase: 'releasing' })]
  const begins = fine(turn, 'begins to send', { phase: 'sending' })
  const early = state.nowMs < state.notBeforeMs ? `attempt begun ${state.notBeforeMs - state.nowMs} ms too early` : null
  const { stops } = state.left
  const left = { ...state.left, stops: stops - 1 }
  return [{ ...begins, wrong: early }, ...(stops === 0 ? [] : [fine(turn, 'stops', { phase: 'releasing' }, { left })])]
}

function answerSteps(turn: Turn): readonly Next[] {
  const { state } = turn
  const answers = (what: string, result: SendResult, rest: Partial<State> = {}) =>
    fine(turn, what, { phase: 'settling', result }, rest)
  const takes = (what: string, result: SendResult, why: Claim['excuse']) => {
    const claims = accept(excuse(state.claims, turn.worker.claim, why), turn.worker.claim)
    return { ...answers(what, result, { claims }), wrong: unexcused(claims) }
  }
  const { rateLimits } = state.left
  const left = { ...state.left, rateLimits: rateLimits - 1 }
  return [
    takes('is answered yes', yes, 'none'),
    takes('is answered yes, unheard', { kind: 'unknown', ...failure }, 'unknown'),
    answers('hears nothing', { kind: 'unknown', ...failure }),
    answers('is answered later', { kind: 'transient', ...failure }),
    answers('is answered no', { kind: 'permanent', ...failure }),
    ...(rateLimits === 0 ? [] : [answers('is asked for a pause', { kind: 'rate_limited', ...failure }, { left })]),
  ]
}

function accept(claims: readonly Claim[], token: number): readonly Claim[] {
  return claims.map((one) => (one.token === token ? { ...one, accepted: true } : one))
}

/** Of two copies of one generation that arrived, the earlier must have lost its claim for a reason. */
function unexcused(claims: readonly Claim[]): string | null {
  const arrived = claims.filter((one) => one.accepted)
  const bare = arrived.find(
    (one) => one.excuse === 'none' && arrived.some((two) => two.generation === one.generation && two.token > one.token),
  )
  return bare === undefined ? null : `sent twice without an excuse: claim ${bare.token}`
}

function settleSteps(turn: Turn): readonly Next[] {
  const { state, worker, setting } = turn
  const claim = state.claims.find((one) => one.token === worker.claim)
  if (claim === undefined || worker.result === null) return []
  const decision = decideOutcome({ ...claim, maxRetries: state.row.maxRetries }, worker.result, policy, () => 0)
  const outcome = attemptOutcome(worker.result)
  const { token: leaseToken, attempt, generation } = claim
  const result = { leaseToken, attempt, generation, decision, outcome, connection: null }
  const isYes = decision.kind === 'sent'
  const after = step.settleRow(state.row, result, state.nowMs, setting.bugs)
  const givesUp =
    !isYes && state.nowMs >= worker.leaseEndsAtMs ? [fine(turn, 'gives up its result', letGo(worker))] : []
  if (after === null && !step.wasEndedBy(state.row, result)) {
    return [fine(turn, 'is fenced', isYes ? { phase: 'late' } : letGo(worker)), ...givesUp]
  }
  const waitMs = decision.kind === 'retry' ? decision.afterMs : 0
  const notBeforeMs = Math.min(state.nowMs + waitMs, state.row.expiresAtMs)
  const rest = after === null ? {} : { row: after, notBeforeMs }
  const done = fine(turn, `settles ${outcome}`, letGo(worker), rest)
  const row = after ?? state.row
  const told = after === null ? done : checked(done, state, after)
  return [isYes ? heard(told, row, claim) : told, ...lost(turn, `settles ${outcome}`, {}, rest), ...givesUp]
}

/** Once the database was told of a success, the row is SENT, unless it went on meanwhile. */
function heard(next: Next, row: ModelRow, claim: Claim): Next {
  const wentOn = row.attemptCount !== claim.attempt || row.generation !== claim.generation
  if (wentOn || row.status === 'SENT' || row.status === 'SENDING' || row.status === 'CANCELED') return next
  return { ...next, wrong: next.wrong ?? `told of a success, the row is ${row.status}` }
}

function lateSteps(turn: Turn): readonly Next[] {
  const { state, worker, setting } = turn
  const claim = state.claims.find((one) => one.token === worker.claim)
  if (claim === undefined) return []
  const { token: leaseToken, attempt, generation } = claim
  const end = { decision: { kind: 'sent' }, outcome: 'ok', connection: null } as const
  const result: step.Result = { leaseToken, attempt, generation, ...end }
  const after = step.lateSuccessRow(state.row, result, setting.bugs)
  const rest = after === null ? {} : { row: after }
  const done = fine(turn, 'tells its late success', letGo(worker), rest)
  return [
    heard(after === null ? done : checked(done, state, after), after ?? state.row, claim),
    ...(after === null ? [] : lost(turn, 'tells its late success', {}, rest)),
  ]
}

function releaseSteps(turn: Turn): readonly Next[] {
  const { state, worker, setting } = turn
  const claim = { leaseToken: worker.claim, delayMs: releasedDueMs }
  const after = step.giveBackRow(state.row, claim, state.nowMs, setting.bugs)
  if (after === null) return [fine(turn, 'has nothing to give back', letGo(worker))]
  const rest = { row: after }
  return [checked(fine(turn, 'gives back', letGo(worker), rest), state, after), ...lost(turn, 'gives back', {}, rest)]
}
