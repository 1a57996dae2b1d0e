import { messageOf } from '../domain/errors.ts'
import { attemptOutcome, decideOutcome, type SendResult } from '../domain/outcome.ts'
import type { RetryPolicy } from '../domain/retry-policy.ts'
import type { Clock } from '../port/clock.ts'
import type { Claimed, NotificationStore, Settled, Settlement } from '../port/notification-store.ts'
import type { Provider } from '../port/provider.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { makeGate } from './gate.ts'
import type { Settle, SettleEnd } from './settle.ts'
import { untilAnswered } from './until-answered.ts'

export interface DeliverDeps {
  readonly store: Pick<NotificationStore, 'release'>
  readonly provider: Provider
  readonly settle: Settle
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep' | 'timeout'>
  /** Aborts when the process must end: what could not be given back by then is left to the sweep. */
  readonly giveUp: AbortSignal
  readonly telemetry: Pick<
    Telemetry,
    'firstAttempt' | 'inFlight' | 'sendDuration' | 'sent' | 'failed' | 'retryScheduled' | 'outcomeUnknown'
  >
  readonly logger: Logger
  readonly random: () => number
  readonly wakeScanIn: (ms: number) => void
}

export interface DeliverSettings {
  readonly jobTimeoutMs: number
  readonly retry: RetryPolicy
}

export interface DeliverOptions {
  /** On the monotonic clock, counted from before the claim's round trip. */
  readonly leaseEndsAtMs: number
  /** The process is stopping: nothing new is begun. */
  readonly stopping: boolean
  /** Called once when the send is over and only the settle is left. */
  readonly onSent: () => void
}

/** Sends one claimed notification and stores how it ended. Never rejects. */
export type Deliver = (claimed: Claimed, options: DeliverOptions) => Promise<void>

/** No send begins that could outlive its lease: this much of the lease is kept for the settle. */
export const leaseMarginMs = 5_000
const releaseGate = { maxWeight: 200, maxInFlight: 1, maxWaiting: 100_000 }

export function makeDeliver(deps: DeliverDeps, settings: DeliverSettings): Deliver {
  const release = makeGate(async (group: readonly Claimed[]) => {
    const released = new Set(await deps.store.release(group))
    return group.map((one) => released.has(one.id))
  }, releaseGate)
  return async (claimed, { leaseEndsAtMs, stopping, onSent }) => {
    const lastStartMs = leaseEndsAtMs - leaseMarginMs - settings.jobTimeoutMs
    if (stopping || deps.clock.monotonicMs() > lastStartMs) {
      onSent()
      await giveBack(deps, claimed, leaseEndsAtMs, release)
      return
    }
    if (claimed.waitedMs !== null) deps.telemetry.firstAttempt(claimed, claimed.waitedMs)
    const settlement = await send(deps, settings, claimed)
    onSent()
    report(deps, settlement, await deps.settle(settlement, leaseEndsAtMs))
  }
}

async function send(deps: DeliverDeps, settings: DeliverSettings, claimed: Claimed): Promise<Settlement> {
  const startedMs = deps.clock.monotonicMs()
  const deadline = deps.clock.timeout(settings.jobTimeoutMs)
  deps.telemetry.inFlight(claimed.channel, 1)
  try {
    const result = await deps.provider.send(claimed, deadline.signal).catch((error: unknown) => bugInProvider(error))
    const decision = decideOutcome(claimed, result, settings.retry, deps.random)
    const durationMs = Math.round(deps.clock.monotonicMs() - startedMs)
    return { claimed, provider: deps.provider.name, result, decision, durationMs }
  } finally {
    deadline.clear()
    deps.telemetry.inFlight(claimed.channel, -1)
  }
}

/** A provider that throws broke its contract; nobody can know how far it came. */
function bugInProvider(error: unknown): SendResult {
  const name = error instanceof Error ? error.name : typeof error
  return {
    kind: 'unknown',
    code: 'provider_fault',
    message: `the provider failed inside the engine (${name})`,
    statusCode: null,
    responseExcerpt: null,
  }
}

async function giveBack(
  deps: DeliverDeps,
  claimed: Claimed,
  leaseEndsAtMs: number,
  release: (claimed: Claimed) => Promise<boolean>,
): Promise<void> {
  try {
    await untilAnswered(
      () => release(claimed),
      () => deps.clock.monotonicMs() < leaseEndsAtMs,
      deps,
    )
  } catch (error) {
    // The lease ends by itself; the sweep then makes the row QUEUED again.
    deps.logger.warn('claimed row could not be given back', {
      notificationId: claimed.id,
      error: messageOf(error),
    })
  }
}

function report(deps: DeliverDeps, settlement: Settlement, end: SettleEnd): void {
  const { claimed, result } = settlement
  deps.telemetry.sendDuration(claimed.channel, settlement.durationMs)
  if (result.kind === 'unknown') deps.telemetry.outcomeUnknown(claimed.channel, 1)
  if (end.kind === 'settled') count(deps, claimed, end.settled)
  else if (end.kind === 'fenced' && end.late) deps.telemetry.sent(claimed.channel, 1)
  const fields = {
    notificationId: claimed.id,
    correlationId: claimed.correlationId,
    channel: claimed.channel,
    priority: claimed.priority,
    attempt: claimed.attempt,
    generation: claimed.generation,
    provider: settlement.provider,
    outcome: attemptOutcome(result),
    status: end.kind === 'settled' ? end.settled.status : end.kind,
    statusCode: result.statusCode,
    durationMs: settlement.durationMs,
  }
  if (result.kind === 'accepted') deps.logger.info('attempt ended', fields)
  else {
    const nextInMs = end.kind === 'settled' ? end.settled.dueInMs : null
    deps.logger.warn('attempt ended', { ...fields, error: result.code, nextAttemptInMs: nextInMs })
  }
}

function count(deps: DeliverDeps, { channel }: Claimed, settled: Settled): void {
  if (settled.status === 'SENT') deps.telemetry.sent(channel, 1)
  else if (settled.status === 'FAILED' && settled.reason !== null) deps.telemetry.failed(channel, settled.reason, 1)
  else if (settled.dueInMs !== null) {
    deps.telemetry.retryScheduled(channel, 1)
    deps.wakeScanIn(settled.dueInMs)
  }
}
