import type { OutletStanding } from '../domain/choose-outlet.ts'
import type { ConnectionId, Route } from '../domain/connection.ts'
import { messageOf } from '../domain/errors.ts'
import { attemptOutcome, type Decision, decideOutcome, type SendResult } from '../domain/outcome.ts'
import type { RetryPolicy } from '../domain/retry-policy.ts'
import type { ConnectionPauser } from '../port/connection-pauser.ts'
import type { ConnectionTelemetry } from '../port/connection-telemetry.ts'
import type { AttemptVia, Claimed } from '../port/notification-store.ts'
import type { Outlet, TryResult } from '../port/outlet.ts'
import type { Logger } from '../port/telemetry.ts'
import type { ConnectionHealth } from './connection-health.ts'
import { askedMs, toSendResult } from './try-result.ts'

/** Which connections may take a message, and how long it may take. */
export type Way = Pick<Route, 'tiers' | 'tryTimeoutMs' | 'totalTimeoutMs'>

/** A message on its way. */
export interface Trip {
  readonly message: Claimed
  readonly way: Way
  /** Of all tiers. */
  readonly connections: readonly ConnectionId[]
  /** Deadline of one send. */
  readonly timeoutMs: number
  readonly standingOf: (id: ConnectionId) => OutletStanding | null
  /** Of the recipient over this connection. */
  readonly recipientKey: (id: ConnectionId) => string
  /** Milliseconds that are left of the way's total time; null = no end but the message's own. */
  readonly leftMs: () => number | null
  /** Another connection of the way could take it now. */
  readonly hasOther: (than: ConnectionId) => boolean
}

/** How an attempt ended and what follows. */
export interface Concluded {
  readonly result: SendResult
  readonly decision: Decision
  readonly via: AttemptVia
}

export interface ConcludeDeps {
  readonly health: Pick<ConnectionHealth, 'ended' | 'cool' | 'learn'>
  readonly pauser: ConnectionPauser
  readonly telemetry: Pick<ConnectionTelemetry, 'connectionSend'>
  readonly logger: Logger
  readonly random: () => number
}

/** Until its pause has reached every process, a wrong connection is left alone. */
const configCoolMs = 10_000

/** Draws from one try what follows for the notification, and for everybody who would send over the same connection. */
export function makeConclude(deps: ConcludeDeps, retry: RetryPolicy) {
  return function conclude(trip: Trip, outlet: Outlet, tried: TryResult, probed: boolean): Concluded {
    const { message } = trip
    const { id } = outlet
    const result = toSendResult(tried, outlet.repeatable)
    deps.telemetry.connectionSend(id, attemptOutcome(result))
    deps.health.ended(id, tried.class, probed)
    learn(deps, id, tried)
    const alone = decideOutcome(message, result, retry, deps.random)
    const waitMs = connectionWaitMs(tried, alone)
    if (waitMs > 0) deps.health.cool(id, waitMs, tried.scope === 'recipient' ? trip.recipientKey(id) : null)
    if (tried.class === 'config') pause(deps, outlet, result)
    const decision = isMovable(message, result) && trip.hasOther(id) ? elsewhere(deps, retry, message, result) : alone
    const via = { connection: id, connector: outlet.connector, rule: tried.rule }
    return { result, decision: inTime(decision, trip.leftMs()), via }
  }
}

/** While it may have arrived, only the connection that can drop the repeat may have it. */
function isMovable({ unknownOver }: Claimed, result: SendResult): boolean {
  return unknownOver.length === 0 && result.kind !== 'unknown'
}

function elsewhere({ random }: ConcludeDeps, retry: RetryPolicy, message: Claimed, result: SendResult): Decision {
  return decideOutcome(message, result, retry, random, true)
}

/** How long nothing more goes over the connection (or to this recipient over it); 0 = at once. */
function connectionWaitMs(tried: TryResult, alone: Decision): number {
  const asked = askedMs(tried)
  switch (tried.class) {
    case 'rate_limited':
      return alone.kind === 'retry' ? alone.afterMs : 0
    case 'quota_exhausted':
      return asked ?? (alone.kind === 'retry' ? alone.afterMs : 0)
    case 'config':
      return configCoolMs
    case 'transient':
    case 'ambiguous':
      return asked ?? 0
    case 'accepted':
    case 'permanent':
    case 'recipient_invalid':
    case 'opted_out':
      return 0
  }
}

/** The provider's own count of what is left: at 0 nothing is sent before it begins anew. */
function learn({ health }: ConcludeDeps, id: ConnectionId, { throttle }: TryResult): void {
  if (throttle === null) return
  const { remaining, resetAfterMs, bucket: name } = throttle
  health.learn(id, { name, remaining, resetAfterMs })
  if (remaining !== null && remaining <= 0 && resetAfterMs !== null) health.cool(id, resetAfterMs, null)
}

function pause({ pauser, logger }: ConcludeDeps, outlet: Outlet, result: SendResult): void {
  const { id: connection } = outlet
  const reason = result.kind === 'accepted' ? '' : `${result.code}: ${result.message}`
  pauser.pause(outlet, { code: 'config', reason }).then(
    (isPaused) => isPaused && logger.error('connection is wrong and was paused', { connection, reason }),
    // The next message meets the same answer, and pauses it then.
    (error: unknown) => logger.warn('wrong connection could not be paused', { connection, error: messageOf(error) }),
  )
}

function inTime(decision: Decision, leftMs: number | null): Decision {
  const isLate = decision.kind === 'retry' && leftMs !== null && decision.afterMs >= leftMs
  return isLate ? { kind: 'failed', reason: 'expired' } : decision
}
