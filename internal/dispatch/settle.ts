import { messageOf, RejectedDataError } from '../domain/errors.ts'
import type { NotificationId } from '../domain/notification.ts'
import type { Clock } from '../port/clock.ts'
import type { NotificationStore, Settled, Settlement } from '../port/notification-store.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { makeGate } from './gate.ts'
import { untilAnswered } from './until-answered.ts'

export type SettleEnd =
  | { readonly kind: 'settled'; readonly settled: Settled }
  /** The lease was lost; `late` says whether a success was recorded all the same. */
  | { readonly kind: 'fenced'; readonly late: boolean }
  /** PostgreSQL stayed away until the lease ended, or the worker had to stop: the orphan sweep ends the attempt. */
  | { readonly kind: 'given_up' }

/** Writes the end of one attempt; resolves when nothing more can be done for it. Never rejects. */
export type Settle = (settlement: Settlement, leaseEndsAtMs: number) => Promise<SettleEnd>

export interface SettleDeps {
  readonly store: Pick<NotificationStore, 'settle' | 'lateSuccess'>
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep' | 'endOfTurn'>
  readonly telemetry: Pick<Telemetry, 'fenced'>
  readonly logger: Logger
  /** Aborts when the process must end: results that PostgreSQL has not taken by then are left to the sweep. */
  readonly giveUp: AbortSignal
}

export interface SettleSettings {
  readonly maxInFlight: number
}

const groupMax = 200
const waitingMax = 100_000
/** Attempts that pay for a second statement beside the one under way. */
const widenAt = 100

/**
 * Attempts that end while a settle statement is under way share the next one. While PostgreSQL is away a success is
 * kept until PostgreSQL has answered (losing it would send twice); any other result only until the lease ends, since
 * the sweep then repeats the attempt anyway.
 */
export function makeSettle(deps: SettleDeps, settings: SettleSettings): Settle {
  const { clock } = deps
  const gateSettings = {
    clock,
    maxWeight: groupMax,
    maxInFlight: settings.maxInFlight,
    widenAt,
    maxWaiting: waitingMax,
  }
  const settleGroup = makeGate(async (group: readonly Settlement[]) => {
    const settled = new Map((await deps.store.settle(group)).map((one) => [one.id, one]))
    const newest = newestTokens(group)
    // An old attempt of a row may stand in the group beside the current one: the answer is the current one's.
    return group.map(({ claimed }) =>
      newest.get(claimed.id) === claimed.leaseToken ? (settled.get(claimed.id) ?? null) : null,
    )
  }, gateSettings)
  const lateGroup = makeGate(async (group: readonly Settlement[]) => {
    const moved = new Set<NotificationId>(await deps.store.lateSuccess(group))
    return group.map((one) => moved.has(one.claimed.id))
  }, gateSettings)

  async function settleOnce(settlement: Settlement, mayRepeat: () => boolean): Promise<SettleEnd> {
    const settled = await untilAnswered(() => settleReadable(settleGroup, settlement), mayRepeat, deps)
    if (settled !== null) return { kind: 'settled', settled }
    deps.telemetry.fenced(1)
    if (settlement.decision.kind !== 'sent') return { kind: 'fenced', late: false }
    const late = await untilAnswered(() => lateGroup(settlement), mayRepeat, deps)
    return { kind: 'fenced', late }
  }

  return async (settlement, leaseEndsAtMs) => {
    const mayRepeat = () => settlement.decision.kind === 'sent' || deps.clock.monotonicMs() < leaseEndsAtMs
    try {
      return await settleOnce(settlement, mayRepeat)
    } catch (error) {
      deps.logger.warn('attempt result was not stored; the sweep will end the attempt', {
        notificationId: settlement.claimed.id,
        attempt: settlement.claimed.attempt,
        outcome: settlement.result.kind,
        error: messageOf(error),
      })
      return { kind: 'given_up' }
    }
  }
}

function newestTokens(group: readonly Settlement[]): ReadonlyMap<NotificationId, number> {
  const newest = new Map<NotificationId, number>()
  for (const { claimed } of group) newest.set(claimed.id, Math.max(claimed.leaseToken, newest.get(claimed.id) ?? 0))
  return newest
}

/** Text of a provider that PostgreSQL cannot store must not keep an attempt from ending: it ends without the text. */
async function settleReadable(
  settle: (settlement: Settlement) => Promise<Settled | null>,
  settlement: Settlement,
): Promise<Settled | null> {
  try {
    return await settle(settlement)
  } catch (error) {
    if (!(error instanceof RejectedDataError)) throw error
    return settle(withoutFreeText(settlement))
  }
}

function withoutFreeText(settlement: Settlement): Settlement {
  const { result } = settlement
  if (result.kind === 'accepted') {
    return { ...settlement, result: { ...result, providerMessageId: null, responseExcerpt: null } }
  }
  const message = 'the text of this error could not be stored'
  return { ...settlement, result: { ...result, message, responseExcerpt: null } }
}
