import type { Clock } from '../port/clock.ts'
import type { HealthCheck, HeartbeatStore, QueueFigures } from '../port/health.ts'
import type { StandInFor } from '../port/telemetry.ts'
import { answer, type Ctx, type Route } from './context.ts'
import { Cached, Checks, checkDeadlineMs, type Readiness, within } from './health.ts'
import { invalidField } from './problem.ts'

/** A worker not seen for this long is gone; each one says that it lives every 10 s. */
export const workerSeenSeconds = 30
/** A row overdue for longer makes the heartbeat warn: workers live but fall behind. */
export const overdueWarnSeconds = 60

export interface ProbeDeps {
  readonly checks: readonly HealthCheck[]
  readonly heartbeat: Pick<HeartbeatStore, 'findWorkers' | 'queueFigures'>
  /** What dispatch does without now, its stand-in being used; empty when all is well. */
  readonly dispatchWithout: () => readonly StandInFor[]
  readonly metricsText: () => Promise<{ readonly contentType: string; readonly body: string }>
  readonly readiness: Pick<Readiness, 'stopping'>
  readonly clock: Pick<Clock, 'monotonicMs' | 'timeout'>
}

export interface ProbeSettings {
  readonly version: string
  readonly role: string
}

type Worker = Awaited<ReturnType<HeartbeatStore['findWorkers']>>[number]

export function probeRoutes(deps: ProbeDeps, settings: ProbeSettings): readonly Route[] {
  const { clock, heartbeat, readiness } = deps
  const checks = new Checks(deps.checks, clock)
  const figures = new Cached(clock, () => orNull(clock, () => heartbeat.queueFigures()))
  const workers = new Cached(clock, () => orNull(clock, () => heartbeat.findWorkers(workerSeenSeconds)))
  const startedMs = clock.monotonicMs()
  return [
    { path: '/livez', methods: { GET: (c) => answer(c, 200, { status: 'ok' }) } },
    { path: '/readyz', methods: { GET: (c) => ready(c, checks, readiness) } },
    { path: '/metrics', methods: { GET: (c) => metrics(c, deps.metricsText) } },
    {
      path: '/health',
      methods: {
        async GET(c) {
          const [states, queue] = await Promise.all([checks.states(), figures.get()])
          const uptimeSeconds = Math.floor((clock.monotonicMs() - startedMs) / 1_000)
          const without = deps.dispatchWithout()
          const isHealthy = without.length === 0 && Object.values(states).every((state) => state === 'ok')
          // Without PostgreSQL nothing can be accepted; without the others work waits or slows down.
          const status = states.postgres === 'down' ? 'unhealthy' : isHealthy ? 'healthy' : 'degraded'
          return answer(c, status === 'unhealthy' ? 503 : 200, {
            status,
            version: settings.version,
            uptimeSeconds,
            role: settings.role,
            checks: states,
            dispatch: dispatchState(without),
            queues: queue?.depth.map(({ channel, priority, count }) => ({ channel, priority, waiting: count })) ?? null,
            oldestDueAgeSeconds: queue?.oldestDueAgeSeconds ?? null,
          })
        },
      },
    },
    {
      path: '/v1/queue/heartbeat',
      methods: {
        async GET(c) {
          const [seen, queue] = await Promise.all([workers.get(), figures.get()])
          const report = toHeartbeat(seen, queue, deps.dispatchWithout())
          return answer(c, report.status.status === 'fail' ? 503 : 200, report)
        },
      },
    },
  ]
}

async function ready(c: Ctx, checks: Checks, readiness: ProbeDeps['readiness']): Promise<Response> {
  const purpose = c.req.query('for') ?? ''
  if (purpose !== '' && purpose !== 'accept') {
    throw invalidField('for', 'invalid_value', 'expected accept or nothing, found another word')
  }
  if (readiness.stopping) return answer(c, 503, { status: 'not_ready', checks: {} })
  const states = await checks.states(purpose === 'accept' ? ['postgres'] : undefined)
  const isReady = !readiness.stopping && Object.values(states).every((state) => state === 'ok')
  return answer(c, isReady ? 200 : 503, { status: isReady ? 'ready' : 'not_ready', checks: states })
}

async function metrics(c: Ctx, metricsText: ProbeDeps['metricsText']): Promise<Response> {
  const { contentType, body } = await metricsText()
  const headers = { 'content-type': contentType, 'cache-control': 'no-store', 'x-request-id': c.get('requestId') }
  return new Response(body, { status: 200, headers })
}

/** A question that PostgreSQL may leave unanswered. */
async function orNull<T>(clock: Pick<Clock, 'timeout'>, ask: () => Promise<T>): Promise<T | null> {
  try {
    return await within(clock, checkDeadlineMs, ask)
  } catch {
    return null
  }
}

function dispatchState(without: readonly StandInFor[]): 'normal' | 'degraded' {
  return without.length === 0 ? 'normal' : 'degraded'
}

function toHeartbeat(seen: readonly Worker[] | null, queue: QueueFigures | null, without: readonly StandInFor[]) {
  const backlog = queue?.depth.reduce((sum, lane) => sum + lane.count, 0) ?? null
  return {
    status: judge(seen, queue, backlog, without),
    workers: (seen ?? []).map(({ id, role, lastSeenAt, inFlight }) => ({
      id,
      role,
      lastSeenAt: lastSeenAt.toISOString(),
      inFlight,
    })),
    dispatch: dispatchState(without),
    backlog,
    oldestDueAgeSeconds: queue?.oldestDueAgeSeconds ?? null,
  }
}

interface Verdict {
  readonly status: 'pass' | 'warn' | 'fail'
  readonly detail?: string
}

function judge(
  seen: readonly Worker[] | null,
  queue: QueueFigures | null,
  backlog: number | null,
  without: readonly StandInFor[],
): Verdict {
  if (seen === null || queue === null || backlog === null) {
    return { status: 'fail', detail: 'PostgreSQL did not answer' }
  }
  const overdueSeconds = queue.oldestDueAgeSeconds
  if (!seen.some(({ role }) => canSend(role))) {
    return backlog > 0 || overdueSeconds > 0
      ? { status: 'fail', detail: `${backlog} waiting and no worker was seen for ${workerSeenSeconds} s` }
      : { status: 'warn', detail: `no worker was seen for ${workerSeenSeconds} s` }
  }
  if (overdueSeconds > overdueWarnSeconds) {
    return { status: 'warn', detail: `the oldest due notification waits for ${Math.round(overdueSeconds)} s` }
  }
  if (without.length > 0) return { status: 'warn', detail: `dispatch goes on without ${without.join(' and ')}` }
  return { status: 'pass' }
}

/** Schedulers report too, but send nothing. */
function canSend(role: string): boolean {
  return role.split(',').some((one) => ['all', 'worker'].includes(one.trim()))
}
