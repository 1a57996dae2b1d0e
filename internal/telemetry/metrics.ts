import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import {
  byChannel,
  type Channel,
  channels,
  type FailureReason,
  failureReasons,
  type Lane,
  lanes,
} from '../domain/notification.ts'
import type { Dependency, QueueFigures } from '../port/health.ts'
import type { ReleaseCause } from '../port/notification-store.ts'
import { type Bound, bounds, type StandInFor, standInFor, type Telemetry } from '../port/telemetry.ts'
import { ConnectionMetrics } from './connection-metrics.ts'

const prefix = 'dispatch_engine_'
const sendBuckets = Array.from({ length: 12 }, (_, power) => 0.01 * 2 ** power)
const latencyBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800]
const waitBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const queryBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const releaseCauses = ['retry', 'schedule', 'lost'] as const satisfies readonly ReleaseCause[]
/**
 * How often the lag of the event loop is looked at. The usual 10 ms wake a process at rest a hundred times a second, which
 * was two thirds of what it cost: 0.9 % of a core; 50 ms cost 0.2 % (measured on Node 24.21, nothing else in the process).
 */
const eventLoopLookMs = 50
const httpMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/**
 * Every number the engine shows. Label sets are closed: never an id, a URL, a recipient. Counters whose labels are
 * known begin at 0, so that the first event of a kind already counts as an increase. No method ever throws; a count
 * or a duration that is no number >= 0 is not counted.
 */
export class Metrics implements Telemetry {
  readonly #registry = new Registry()
  readonly connections = new ConnectionMetrics(this.#registry)

  readonly #httpRequests = this.#counter('http_requests_total', 'Answered requests.', ['method', 'path', 'status'])
  readonly #httpDuration = this.#histogram('http_request_duration_seconds', 'Time to answer.', waitBuckets, [
    'method',
    'path',
  ])

  readonly #accepted = this.#counter('notifications_accepted_total', 'Stored notifications.', ['channel', 'priority'])
  readonly #sent = this.#counter('notifications_sent_total', 'Notifications a provider took.', ['channel'])
  readonly #failed = this.#counter('notifications_failed_total', 'Notifications given up.', ['channel', 'reason'])
  readonly #retries = this.#counter('retry_scheduled_total', 'Attempts that will be repeated.', ['channel'])
  readonly #unknown = this.#counter('outcome_unknown_total', 'Attempts that may have arrived.', ['channel'])
  readonly #sendDuration = this.#histogram('notification_send_duration_seconds', 'One attempt.', sendBuckets, [
    'channel',
  ])
  readonly #latency = this.#histogram('dispatch_latency_seconds', 'From due to the first attempt.', latencyBuckets, [
    'channel',
    'priority',
  ])
  readonly #inFlight = this.#gauge('worker_inflight', 'Sends under way in this process.', ['channel'])

  readonly #depth = this.#gauge('queue_depth', 'Unfinished notifications that are not for later.', [
    'channel',
    'priority',
  ])
  readonly #oldestDueAge = this.#gauge('oldest_due_age_seconds', 'Age of the longest overdue row.', ['channel'])
  readonly #released = this.#counter('scan_released_total', 'Rows the scan published anew.', ['reason'])
  readonly #orphans = this.#counter('orphans_total', 'Attempts whose worker vanished.')
  readonly #stale = this.#counter('claims_stale_total', 'References that were outdated when claimed.')
  readonly #fenced = this.#counter('settles_fenced_total', 'Results that came after their lease was lost.')
  readonly #parked = this.#counter('parked_messages_total', 'Broker messages nobody could read, set aside.')
  readonly #unconfirmed = this.#counter('publish_unconfirmed_total', 'Publishes the broker did not confirm.')

  readonly #limitWait = this.#histogram('rate_limit_wait_seconds', 'Waits for a permit.', waitBuckets, ['channel'])
  readonly #limitDegraded = this.#gauge('rate_limit_degraded', '1 while the shared limit cannot be reached.')
  readonly #up = this.#gauge('dependency_up', '1 while it answers; absent until heard of.', ['name'])
  readonly #consumers = this.#gauge('consumers_active', 'Broker consumers of this process.')

  readonly #degraded = this.#gauge('dispatch_degraded', '1 while dispatch goes on without it.', ['without'])
  readonly #boundInUse = this.#gauge('bound_in_use', 'What waits or is held in this process.', ['bound'])
  readonly #boundLimit = this.#gauge('bound_limit', 'Where it is full.', ['bound'])
  readonly #refused = this.#counter('bound_refused_total', 'Turned away because a bound was reached.', ['bound'])

  readonly #query = this.#histogram('db_query_seconds', 'Database statements.', queryBuckets, ['statement'])
  readonly #poolInUse = this.#gauge('db_pool_in_use', 'Connections at work.')
  readonly #poolWaiting = this.#gauge('db_pool_waiting', 'Statements waiting for a connection.')
  readonly #poolGeneration = this.#gauge('db_pool_generation', 'Pools opened since the start.')

  readonly #bounds = new Map<Bound, { readonly inUse: number; readonly limit: number }>()
  readonly #sending = { ...byChannel(() => 0) }
  #poolState: { readonly inUse: number; readonly waiting: number; readonly generation: number } | null = null

  constructor(build: { readonly version: string; readonly node: string }) {
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: eventLoopLookMs })
    this.#gauge('build_info', 'Always 1; what is running.', ['version', 'node']).set({ ...build }, 1)
    this.#beginAtZero()
  }

  /** Gauges that change many times between two looks at them: only a look sets them. */
  #showHeld(): void {
    for (const [bound, { inUse, limit }] of this.#bounds) {
      set(this.#boundInUse, { bound }, inUse)
      set(this.#boundLimit, { bound }, limit)
    }
    for (const channel of channels) set(this.#inFlight, { channel: lower(channel) }, this.#sending[channel])
    if (this.#poolState === null) return
    set(this.#poolInUse, {}, this.#poolState.inUse)
    set(this.#poolWaiting, {}, this.#poolState.waiting)
    set(this.#poolGeneration, {}, this.#poolState.generation)
  }

  /** The Prometheus page and its content type. */
  async metricsText(): Promise<{ readonly contentType: string; readonly body: string }> {
    this.#showHeld()
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  accepted(lane: Lane, count: number): void {
    add(this.#accepted, labelsOf(lane), count)
  }

  claimed(_channel: Channel, { asked, won }: { readonly asked: number; readonly won: number }): void {
    add(this.#stale, {}, asked - won)
  }

  firstAttempt(lane: Lane, waitedMs: number): void {
    observe(this.#latency, labelsOf(lane), waitedMs)
  }

  inFlight(channel: Channel, change: number): void {
    if (Number.isFinite(change)) this.#sending[channel] += change
  }

  sendDuration(channel: Channel, durationMs: number): void {
    observe(this.#sendDuration, { channel: lower(channel) }, durationMs)
  }

  sent(channel: Channel, count: number): void {
    add(this.#sent, { channel: lower(channel) }, count)
  }

  failed(channel: Channel, reason: FailureReason, count: number): void {
    add(this.#failed, { channel: lower(channel), reason }, count)
  }

  retryScheduled(channel: Channel, count: number): void {
    add(this.#retries, { channel: lower(channel) }, count)
  }

  outcomeUnknown(channel: Channel, count: number): void {
    add(this.#unknown, { channel: lower(channel) }, count)
  }

  fenced(count: number): void {
    add(this.#fenced, {}, count)
  }

  orphaned(count: number): void {
    add(this.#orphans, {}, count)
  }

  released(cause: ReleaseCause, count: number): void {
    add(this.#released, { reason: cause }, count)
  }

  rateLimitWaited(channel: Channel, waitedMs: number): void {
    observe(this.#limitWait, { channel: lower(channel) }, waitedMs)
  }

  limiterDegraded(degraded: boolean): void {
    this.#limitDegraded.set(degraded ? 1 : 0)
  }

  publishUnconfirmed(count: number): void {
    add(this.#unconfirmed, {}, count)
  }

  parked(count: number): void {
    add(this.#parked, {}, count)
  }

  dependencyUp(name: Dependency, up: boolean): void {
    this.#up.set({ name }, up ? 1 : 0)
  }

  consumersActive(count: number): void {
    set(this.#consumers, {}, count)
  }

  query(statement: string, durationMs: number): void {
    observe(this.#query, { statement }, durationMs)
  }

  bound(name: Bound, state: { readonly inUse: number; readonly limit: number }): void {
    this.#bounds.set(name, state)
  }

  refused(name: Bound, count: number): void {
    add(this.#refused, { bound: name }, count)
  }

  dispatchDegraded(without: StandInFor, degraded: boolean): void {
    this.#degraded.set({ without }, degraded ? 1 : 0)
  }

  pool(state: { readonly inUse: number; readonly waiting: number; readonly generation: number }): void {
    this.#poolState = state
  }

  httpRequest(request: Parameters<Telemetry['httpRequest']>[0]): void {
    const method = httpMethods.has(request.method) ? request.method : 'other' // a client may send any word
    add(this.#httpRequests, { method, path: request.path, status: String(request.status) }, 1)
    observe(this.#httpDuration, { method, path: request.path }, request.durationMs)
  }

  /** Takes over what the database counted; lanes and channels it did not name are 0. */
  queueFigures(figures: QueueFigures): void {
    for (const lane of lanes) set(this.#depth, labelsOf(lane), 0)
    for (const lane of figures.depth) set(this.#depth, labelsOf(lane), lane.count)
    for (const channel of channels) {
      set(this.#oldestDueAge, { channel: lower(channel) }, figures.oldestDueAgeSecondsByChannel[channel] ?? 0)
    }
  }

  #beginAtZero(): void {
    for (const lane of lanes) {
      this.#accepted.inc(labelsOf(lane), 0)
      this.#latency.zero(labelsOf(lane))
      this.#depth.set(labelsOf(lane), 0)
    }
    for (const channel of channels.map(lower)) {
      for (const counter of [this.#sent, this.#retries, this.#unknown]) counter.inc({ channel }, 0)
      for (const reason of failureReasons) this.#failed.inc({ channel, reason }, 0)
      for (const histogram of [this.#sendDuration, this.#limitWait]) histogram.zero({ channel })
      this.#oldestDueAge.set({ channel }, 0)
    }
    for (const bound of bounds) this.#refused.inc({ bound }, 0)
    for (const without of standInFor) this.#degraded.set({ without }, 0)
    for (const reason of releaseCauses) this.#released.inc({ reason }, 0)
  }

  #counter<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name: prefix + name, help, labelNames: [...labelNames], registers: [this.#registry] })
  }

  #gauge<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> {
    return new Gauge({ name: prefix + name, help, labelNames: [...labelNames], registers: [this.#registry] })
  }

  #histogram<L extends string>(name: string, help: string, buckets: number[], labelNames: readonly L[]): Histogram<L> {
    const registers = [this.#registry]
    return new Histogram({ name: prefix + name, help, buckets, labelNames: [...labelNames], registers })
  }
}

type Labels<L extends string> = Partial<Record<L, string>>

function add<L extends string>(counter: Counter<L>, labels: Labels<L>, count: number): void {
  if (count > 0 && Number.isFinite(count)) counter.inc(labels, count)
}

function set<L extends string>(gauge: Gauge<L>, labels: Labels<L>, value: number): void {
  if (Number.isFinite(value)) gauge.set(labels, value)
}

function observe<L extends string>(histogram: Histogram<L>, labels: Labels<L>, durationMs: number): void {
  if (durationMs >= 0 && Number.isFinite(durationMs)) histogram.observe(labels, durationMs / 1_000)
}

function labelsOf({ channel, priority }: Lane): { readonly channel: string; readonly priority: string } {
  return { channel: lower(channel), priority: lower(priority) }
}

function lower(name: string): string {
  return name.toLowerCase()
}
