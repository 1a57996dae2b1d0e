import type { Channel, FailureReason, Lane } from '../domain/notification.ts'
import type { Dependency } from './health.ts'
import type { ReleaseCause } from './notification-store.ts'

/** Structured log lines. Fields never hold a recipient, content, a URL with a secret or a driver's error object. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  child(fields: LogFields): Logger
}
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

/** What happened, in words of the domain; the only thing that knows metric names is `internal/telemetry`. */
export interface Telemetry {
  accepted(lane: Lane, count: number): void
  claimed(channel: Channel, figures: { readonly asked: number; readonly won: number }): void
  /** Due → first attempt. */
  firstAttempt(lane: Lane, waitedMs: number): void
  /** Sends begun (+) and ended (−). */
  inFlight(channel: Channel, change: number): void
  sendDuration(channel: Channel, durationMs: number): void
  sent(channel: Channel, count: number): void
  failed(channel: Channel, reason: FailureReason, count: number): void
  retryScheduled(channel: Channel, count: number): void
  outcomeUnknown(channel: Channel, count: number): void
  fenced(count: number): void
  orphaned(count: number): void
  released(cause: ReleaseCause, count: number): void
  rateLimitWaited(channel: Channel, waitedMs: number): void
  limiterDegraded(degraded: boolean): void
  publishUnconfirmed(count: number): void
  /** A message nobody could read was set aside. */
  parked(count: number): void
  dependencyUp(name: Dependency, up: boolean): void
  consumersActive(count: number): void
  query(statement: string, durationMs: number): void
  pool(state: { readonly inUse: number; readonly waiting: number; readonly generation: number }): void
  httpRequest(request: {
    readonly method: string
    /** Route pattern or `unmatched`. */
    readonly path: string
    readonly status: number
    readonly durationMs: number
  }): void
}
