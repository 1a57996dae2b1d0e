import { messageOf } from '../domain/errors.ts'
import { attemptOutcome, decideOutcome, type SendResult } from '../domain/outcome.ts'
import { releasedDueMs } from '../domain/protocol.ts'
import type { RetryPolicy } from '../domain/retry-policy.ts'
import type { Clock } from '../port/clock.ts'
import type { Claimed, NotificationStore, Settled, Settlement, UnbegunClaim } from '../port/notification-store.ts'
import type { Provider } from '../port/provider.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { makeGate } from './gate.ts'
import type { Begun, Router, Sending } from './router.ts'
import type { Settle, SettleEnd } from './settle.ts'
import { untilAnswered } from './until-answered.ts'

export interface DeliverDeps {
  readonly store: Pick<NotificationStore, 'release'>
  /** Serves what has no route and names no connection. */
  readonly provider: Provider
  /** Absent: the provider serves everything. */
  readonly router?: Router
  readonly settle: Settle
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep' | 'timeout' | 'endOfTurn'>
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
  /** Called before `onSent` when no send was begun: its permit serves another. */
  readonly onUnsent?: () => void
}

/** Sends one claimed notification and stores how it ended. Never rejects. */
export type Deliver = (claimed: Claimed, options: DeliverOptions) => Promise<void>

/** No send begins that could outlive its lease: this much of the lease is kept for the settle. */
export const leaseMarginMs = 5_000
const releaseGate = { maxWeight: 200, maxInFlight: 1, maxWaiting: 100_000 }

export function makeDeliver(deps: DeliverDeps, settings: DeliverSettings): Deliver {
  const release = makeGate(
    async (group: readonly UnbegunClaim[]) => {
      const released = new Set(await deps.store.release(group))
      return group.map(({ claimed }) => released.has(claimed.id))
    },
    { ...releaseGate, clock: deps.clock },
  )
  return async (claimed, { leaseEndsAtMs, stopping, onSent, onUnsent }) => {
    const giveBackIn = async (delayMs: number) => {
      onUnsent?.()
      onSent()
      await giveBack(deps, { claimed, delayMs }, leaseEndsAtMs, release)
    }
    const lastStartMs = leaseEndsAtMs - leaseMarginMs - settings.jobTimeoutMs
    if (stopping || deps.clock.monotonicMs() > lastStartMs) return giveBackIn(releasedDueMs)
    const { router } = deps
    // What may have arrived over the plain provider goes over it again, though there is a route by now.
    const way = claimed.openOverPlain ? null : (router?.wayFor(claimed) ?? null)
    const begun = router === undefined || way === null ? plain : await router.begin(claimed, way, lastStartMs)
    if (begun.kind === 'hold') {
      await giveBackIn(begun.delayMs)
      deps.wakeScanIn(begun.delayMs)
      return
    }
    if (claimed.waitedMs !== null) deps.telemetry.firstAttempt(claimed, claimed.waitedMs)
    const settlement =
      begun.kind === 'end' ? withoutTry(claimed, begun) : await send(deps, settings, claimed, begun.sending)
    onSent()
    report(deps, settlement, await deps.settle(settlement, leaseEndsAtMs))
  }
}

const plain = { kind: 'go', sending: null } as const

function withoutTry(claimed: Claimed, { result, decision }: Begun & { readonly kind: 'end' }): Settlement {
  return { claimed, provider: null, result, decision, durationMs: 0 }
}

/** @param sending null = over the plain provider. */
async function send(
  deps: DeliverDeps,
  settings: DeliverSettings,
  claimed: Claimed,
  sending: Sending | null,
): Promise<Settlement> {
  const startedMs = deps.clock.monotonicMs()
  const deadline = deps.clock.timeout(sending?.timeoutMs ?? settings.jobTimeoutMs)
  deps.telemetry.inFlight(claimed.channel, 1)
  const durationMs = () => Math.round(deps.clock.monotonicMs() - startedMs)
  try {
    if (sending !== null) {
      const concluded = await sending.run(deadline.signal)
      return { claimed, provider: sending.connection, ...concluded, durationMs: durationMs() }
    }
    const result = await deps.provider.send(claimed, deadline.signal).catch((error: unknown) => bugInProvider(error))
    const decision = decideOutcome(claimed, result, settings.retry, deps.random)
    return { claimed, provider: deps.provider.name, result, decision, durationMs: durationMs() }
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
  unbegun: UnbegunClaim,
  leaseEndsAtMs: number,
  release: (unbegun: UnbegunClaim) => Promise<boolean>,
): Promise<void> {
  try {
    await untilAnswered(
      () => release(unbegun),
      () => deps.clock.monotonicMs() < leaseEndsAtMs,
      deps,
    )
  } catch (error) {
    // The lease ends by itself; the sweep then makes the row QUEUED again.
    deps.logger.warn('claimed row could not be given back', {
      notificationId: unbegun.claimed.id,
      error: messageOf(error),
    })
  }
}

function report(deps: DeliverDeps, settlement: Settlement, end: SettleEnd): void {
  const { claimed, result } = settlement
  const wasTried = settlement.provider !== null
  if (wasTried) deps.telemetry.sendDuration(claimed.channel, settlement.durationMs)
  if (wasTried && result.kind === 'unknown') deps.telemetry.outcomeUnknown(claimed.channel, 1)
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
    connector: settlement.via?.connector,
    rule: settlement.via?.rule ?? undefined,
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
