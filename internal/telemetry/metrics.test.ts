import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { Metrics } from './metrics.ts'

const lane = { channel: 'SMS', priority: 'HIGH' } as const
const hasPromtool = spawnSync('promtool', ['--version']).error === undefined

function setup() {
  const metrics = new Metrics({ version: '1.2.3', node: 'v24.0.0' })
  /** Value of one series, written as on the page; null when it is not there. */
  async function read(series: string): Promise<number | null> {
    const { body } = await metrics.metricsText()
    const line = body.split('\n').find((one) => one.startsWith(`dispatch_engine_${series} `))
    return line === undefined ? null : Number(line.slice(line.lastIndexOf(' ') + 1))
  }
  return { metrics, read }
}

/** One call of every verb. */
function callAll(metrics: Metrics): void {
  metrics.accepted(lane, 3)
  metrics.claimed('SMS', { asked: 5, won: 3 })
  metrics.firstAttempt(lane, 1_500)
  metrics.inFlight('SMS', 4)
  metrics.inFlight('SMS', -1)
  metrics.sendDuration('SMS', 25)
  metrics.sent('SMS', 2)
  metrics.failed('EMAIL', 'expired', 1)
  metrics.retryScheduled('PUSH', 1)
  metrics.outcomeUnknown('PUSH', 1)
  metrics.fenced(1)
  metrics.orphaned(2)
  metrics.released('lost', 7)
  metrics.rateLimitWaited('SMS', 300)
  metrics.limiterDegraded(true)
  metrics.publishUnconfirmed(1)
  metrics.parked(1)
  metrics.dependencyUp('redis', true)
  metrics.consumersActive(9)
  metrics.query('claim', 2)
  metrics.pool({ inUse: 3, waiting: 1, generation: 2 })
  metrics.bound('accept_rows', { inUse: 12, limit: 20_000 })
  metrics.refused('accept_rows', 3)
  metrics.dispatchDegraded('rabbitmq', true)
  metrics.httpRequest({ method: 'POST', path: '/v1/notifications', status: 202, durationMs: 4 })
  metrics.queueFigures({
    depth: [{ ...lane, count: 12 }],
    oldestDueAgeSeconds: 8,
    oldestDueAgeSecondsByChannel: { SMS: 8 },
  })
}

/** Names and labels that dashboards rely on; what {@link callAll} makes of each. */
const expected = {
  'http_requests_total{method="POST",path="/v1/notifications",status="202"}': 1,
  'http_request_duration_seconds_count{method="POST",path="/v1/notifications"}': 1,
  'notifications_accepted_total{channel="sms",priority="high"}': 3,
  'notifications_sent_total{channel="sms"}': 2,
  'notifications_failed_total{channel="email",reason="expired"}': 1,
  'notification_send_duration_seconds_bucket{le="0.02",channel="sms"}': 0,
  'notification_send_duration_seconds_bucket{le="0.04",channel="sms"}': 1,
  'notification_send_duration_seconds_bucket{le="20.48",channel="sms"}': 1,
  'worker_inflight{channel="sms"}': 3,
  'retry_scheduled_total{channel="push"}': 1,
  'dispatch_latency_seconds_sum{channel="sms",priority="high"}': 1.5,
  'queue_depth{channel="sms",priority="high"}': 12,
  'oldest_due_age_seconds{channel="sms"}': 8,
  'scan_released_total{reason="lost"}': 7,
  orphans_total: 2,
  claims_stale_total: 2,
  settles_fenced_total: 1,
  'outcome_unknown_total{channel="push"}': 1,
  'rate_limit_wait_seconds_sum{channel="sms"}': 0.3,
  rate_limit_degraded: 1,
  'dependency_up{name="redis"}': 1,
  consumers_active: 9,
  publish_unconfirmed_total: 1,
  parked_messages_total: 1,
  'db_query_seconds_sum{statement="claim"}': 0.002,
  db_pool_in_use: 3,
  db_pool_waiting: 1,
  db_pool_generation: 2,
  'bound_in_use{bound="accept_rows"}': 12,
  'bound_limit{bound="accept_rows"}': 20_000,
  'bound_refused_total{bound="accept_rows"}': 3,
  'bound_refused_total{bound="log_bytes"}': 0,
  'dispatch_degraded{without="rabbitmq"}': 1,
  'dispatch_degraded{without="redis"}': 0,
  'build_info{version="1.2.3",node="v24.0.0"}': 1,
} as const

describe('metrics', () => {
  it('shows every number under the name and labels of the contract', async () => {
    const { metrics, read } = setup()
    callAll(metrics)
    const found: Record<string, number | null> = {}
    for (const series of Object.keys(expected)) found[series] = await read(series)
    expect(found).toEqual(expected)
  })

  it('begins counters of known labels at 0, so that the first event is an increase', async () => {
    const { read } = setup()
    for (const series of [
      'notifications_sent_total{channel="push"}',
      'notifications_failed_total{channel="sms",reason="permanent_error"}',
      'notifications_accepted_total{channel="email",priority="low"}',
      'scan_released_total{reason="retry"}',
      'notification_send_duration_seconds_count{channel="email"}',
      'orphans_total',
    ]) {
      expect([series, await read(series)]).toEqual([series, 0])
    }
  })

  it('puts lanes and channels back to 0 when nothing waits there any more', async () => {
    const { metrics, read } = setup()
    callAll(metrics)
    metrics.queueFigures({ depth: [], oldestDueAgeSeconds: 0, oldestDueAgeSecondsByChannel: {} })
    expect(await read('queue_depth{channel="sms",priority="high"}')).toBe(0)
    expect(await read('oldest_due_age_seconds{channel="sms"}')).toBe(0)
  })

  it('says nothing of a dependency until something was heard of it', async () => {
    const { metrics, read } = setup()
    expect(await read('dependency_up{name="rabbitmq"}')).toBeNull()
    metrics.dependencyUp('rabbitmq', false)
    expect(await read('dependency_up{name="rabbitmq"}')).toBe(0)
  })

  it('does not let a client choose a label', async () => {
    const { metrics, read } = setup()
    metrics.httpRequest({ method: 'PROPFIND', path: 'unmatched', status: 405, durationMs: 1 })
    expect(await read('http_requests_total{method="other",path="unmatched",status="405"}')).toBe(1)
  })

  it('never throws, and does not count what is no number', async () => {
    const { metrics, read } = setup()
    metrics.sent('SMS', Number.NaN)
    metrics.sent('SMS', -3)
    metrics.sendDuration('SMS', Number.NaN)
    metrics.claimed('SMS', { asked: 1, won: 2 })
    metrics.inFlight('SMS', Number.POSITIVE_INFINITY)
    expect(await read('notifications_sent_total{channel="sms"}')).toBe(0)
    expect(await read('claims_stale_total')).toBe(0)
    expect(await read('worker_inflight{channel="sms"}')).toBe(0)
  })

  it('brings the numbers of the process itself, and says what kind of page it is', async () => {
    const { metrics } = setup()
    const { body, contentType } = await metrics.metricsText()
    expect(contentType).toContain('text/plain')
    expect(body).toMatch(/^process_resident_memory_bytes /m)
    expect(body).toMatch(/^nodejs_eventloop_lag_p99_seconds /m)
  })

  it.skipIf(!hasPromtool)('satisfies promtool', async () => {
    const { metrics } = setup()
    callAll(metrics)
    const { body } = await metrics.metricsText()
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' })
    const complaints = `${checked.stdout}${checked.stderr}`.split('\n').filter((line) => line !== '')
    expect(complaints.filter((line) => !line.startsWith('nodejs_'))).toEqual([]) // names that prom-client chose
  })
})
