import { leaseMarginMs } from '../../dispatch/deliver.ts'
import { isFinished } from '../../domain/status.ts'
import { backOffMs, checked, type Next, type Setting, type State } from './machine-state.ts'
import { workerSteps } from './machine-worker.ts'
import * as step from './steps.ts'

export function nextStates(state: State, setting: Setting): readonly Next[] {
  return [
    ...state.workers.flatMap((_, index) => workerSteps(state, index, setting)),
    ...scannerSteps(state, setting),
    ...clientSteps(state, setting),
    ...timeStep(state, setting),
  ]
}

function scannerSteps(state: State, { bugs }: Setting): readonly Next[] {
  const { row, nowMs, unpublished } = state
  const moves = [
    {
      what: 'scan releases',
      after: step.releaseDueRow(row, nowMs),
      copies: [row.leaseToken],
      notBeforeMs: state.notBeforeMs,
    },
    { what: 'scan expires', after: step.expireRow(row, nowMs), copies: [], notBeforeMs: 0 },
    {
      what: 'sweep',
      after: step.sweepRow(row, backOffMs, nowMs, bugs),
      copies: [],
      notBeforeMs: Math.min(nowMs + backOffMs, row.expiresAtMs),
    },
  ]
  const moved = moves.flatMap(({ what, after, copies, notBeforeMs }): readonly Next[] => {
    if (after === null) return []
    const next = { ...state, row: after, unpublished: merged(unpublished, copies), notBeforeMs }
    return [checked({ what, state: next, wrong: null }, state, after)]
  })
  const published = unpublished.flatMap((token): readonly Next[] => {
    const rest = unpublished.filter((one) => one !== token)
    return [
      {
        what: `copy ${token} is published`,
        wrong: null,
        state: { ...state, unpublished: rest, copies: merged(state.copies, [token]) },
      },
      { what: `copy ${token} is lost`, wrong: null, state: { ...state, unpublished: rest } },
    ]
  })
  return [...moved, ...published]
}

function clientSteps(state: State, { ttlMs }: Setting): readonly Next[] {
  const { row, left, nowMs } = state
  const canceled = left.cancels === 0 ? null : step.cancelRow(row)
  const wanted = { generation: row.generation, force: true, ttlMs }
  const replayed = left.replays === 0 ? null : step.replayRow(row, wanted, nowMs)
  const next: Next[] = []
  if (canceled !== null) {
    const after = { ...state, row: canceled, left: { ...left, cancels: left.cancels - 1 } }
    next.push(checked({ what: 'cancel', state: after, wrong: null }, state, canceled))
  }
  if (replayed !== null) {
    const unpublished = merged(state.unpublished, [replayed.leaseToken])
    const after = {
      ...state,
      row: replayed,
      unpublished,
      notBeforeMs: nowMs,
      left: { ...left, replays: left.replays - 1 },
    }
    next.push(checked({ what: 'replay', state: after, wrong: null }, state, replayed))
  }
  return next
}

/** To the next moment at which anybody could decide otherwise: between two of them all is the same. */
function timeStep(state: State, setting: Setting): readonly Next[] {
  const { row, nowMs } = state
  if (isFinished(row.status)) return []
  const lastStarts = state.workers
    .filter((one) => one.phase === 'claimed')
    .map((one) => one.leaseEndsAtMs - leaseMarginMs - setting.jobTimeoutMs + 1)
  const ends = state.workers.filter((one) => one.phase === 'settling').map((one) => one.leaseEndsAtMs)
  const moments = [row.dueAtMs, row.leaseUntilMs, row.expiresAtMs, ...lastStarts, ...ends]
  const later = moments.filter((atMs) => atMs !== null).filter((atMs) => atMs > nowMs)
  if (later.length === 0) return []
  const atMs = Math.min(...later)
  return [{ what: `${atMs - nowMs} ms pass`, state: { ...state, nowMs: atMs }, wrong: null }]
}

function merged(tokens: readonly number[], more: readonly number[]): readonly number[] {
  return [...new Set([...tokens, ...more])].sort((a, b) => a - b)
}
