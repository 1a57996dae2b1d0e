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

/**
 * Everything that waits or is held inside a process has a bound; these are the bounds that are shown. What is past one
 * is refused, or left where it is safe.
 */
export const bounds = [
  /** Rows of requests that wait for an accept statement. */
  'accept_rows',
  'http_connections',
  /** Requests under `/v1` under way. */
  'http_requests',
  /** Bytes of larger bodies under way. */
  'http_body_bytes',
  /** Messages that the broker has not confirmed yet. */
  'publishes',
  /** Envelopes that wait inside the process: in the built-in broker, or while RabbitMQ is away. */
  'local_envelopes',
  /** References received and not begun. */
  'ready_sms',
  'ready_email',
  'ready_push',
  'ready_webhook',
  'ready_chat',
  'ready_incident',
  /** Claimed and not settled. */
  'unsettled_sms',
  'unsettled_email',
  'unsettled_push',
  'unsettled_webhook',
  'unsettled_chat',
  'unsettled_incident',
  /** Bytes of log lines that a slow reader leaves waiting. */
  'log_bytes',
] as const
export type Bound = (typeof bounds)[number]

/** What dispatch can do without for a while. */
export const standInFor = ['rabbitmq', 'redis'] as const satisfies readonly Dependency[]
export type StandInFor = (typeof standInFor)[number]

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
  /** How full it is, and where it is full. */
  bound(name: Bound, state: { readonly inUse: number; readonly limit: number }): void
  /** Turned away, dropped, or left for later, because the bound was reached. */
  refused(name: Bound, count: number): void
  /** Dispatch goes on without this dependency, by what stands in for it. */
  dispatchDegraded(without: StandInFor, degraded: boolean): void
  pool(state: { readonly inUse: number; readonly waiting: number; readonly generation: number }): void
  httpRequest(request: {
    readonly method: string
    /** Route pattern or `unmatched`. */
    readonly path: string
    readonly status: number
    readonly durationMs: number
  }): void
}
