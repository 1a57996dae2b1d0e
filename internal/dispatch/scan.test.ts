import { afterEach, describe, expect, it } from 'vitest'
import { DependencyUnavailableError } from '../domain/errors.ts'
import type { Lane } from '../domain/notification.ts'
import type { LaneCount, Orphan, ReleasedRow } from '../port/notification-store.ts'
import type { Permits } from '../port/rate-limiter.ts'
import { anId } from '../testkit/builders.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { RecordingTelemetry, silentLogger } from '../testkit/telemetry.ts'
import type { PublishableRow } from './publish.ts'
import { makeScan, type Scan } from './scan.ts'

const sms = (priority: Lane['priority'], count: number): LaneCount => ({ channel: 'SMS', priority, count })

/** A store whose rows fall due at given times of the manual clock. */
function setup(
  world: {
    readonly take?: (wanted: number, channel: Lane['channel']) => Permits
    readonly limit?: number
    readonly isNeeded?: () => boolean
  } = {},
) {
  const clock = new ManualClock()
  const telemetry = new RecordingTelemetry()
  const startMs = clock.monotonicMs()
  const dueAtMs: { lane: Lane; atMs: number }[] = []
  const orphans: Orphan[] = []
  const expired: Lane[] = []
  const passes: number[] = []
  const releases: (readonly LaneCount[])[] = []
  const published: PublishableRow[] = []
  const faults: Error[] = []
  const sinceStart = () => clock.monotonicMs() - startMs
  const isDue = (lane: Lane) => (row: { lane: Lane; atMs: number }) =>
    row.atMs <= sinceStart() && row.lane.channel === lane.channel && row.lane.priority === lane.priority
  const scan: Scan = makeScan(
    {
      clock,
      telemetry,
      logger: silentLogger,
      mayRelease: () => world.isNeeded?.() ?? true,
      publish: async (rows) => void published.push(...rows),
      rateLimiter: {
        take: async (_purpose, channel, wanted) =>
          (world.take ?? ((all: number) => ({ granted: all, retryAfterMs: 0, degraded: false })))(wanted, channel),
      },
      store: {
        async countDue(lanes, limit) {
          passes.push(sinceStart())
          const fault = faults.shift()
          if (fault !== undefined) throw fault
          return lanes
            .map((lane) => ({ ...lane, count: Math.min(limit, dueAtMs.filter(isDue(lane)).length) }))
            .filter((lane) => lane.count > 0)
        },
        async releaseDue(counts) {
          releases.push(counts)
          const released: ReleasedRow[] = []
          for (const lane of counts) {
            for (const row of dueAtMs.filter(isDue(lane)).slice(0, lane.count)) {
              dueAtMs.splice(dueAtMs.indexOf(row), 1)
              released.push({ ...row.lane, id: anId(), leaseToken: 0, cause: 'retry' })
            }
          }
          return released
        },
        expireDue: async () => expired.splice(0, 100),
        async nextDueInMs(lanes) {
          const among = dueAtMs.filter(({ lane }) => lanes.some((one) => one.channel === lane.channel))
          return among.length === 0 ? null : Math.min(...among.map((row) => row.atMs)) - sinceStart()
        },
        async sweepOrphans() {
          return orphans.splice(0, 100)
        },
      },
    },
    { intervalMs: 5_000, limit: world.limit ?? 100, sweeps: true },
  )
  stops.push(() => scan.stop())
  const add = (priority: Lane['priority'], atMs: number, count = 1, channel: Lane['channel'] = 'SMS') => {
    for (let i = 0; i < count; i++) dueAtMs.push({ lane: { channel, priority }, atMs })
  }
  return { clock, scan, add, orphans, expired, telemetry, passes, releases, published, faults, dueAtMs }
}

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

describe('scan', () => {
  it('publishes what is due and then sleeps for its interval', async () => {
    const { clock, scan, add, passes, published } = setup()
    add('NORMAL', 0, 3)
    await scan.start()
    await clock.advance(0)
    expect(published).toHaveLength(3)
    await clock.advance(4_999)
    expect(passes).toEqual([0])
    await clock.advance(1)
    expect(passes).toEqual([0, 5_000])
  })

  it('wakes when the next row is due, not an interval later', async () => {
    const { clock, scan, add, published } = setup()
    add('NORMAL', 1_234)
    await scan.start()
    await clock.advance(1_233)
    expect(published).toHaveLength(0)
    await clock.advance(1)
    expect(published).toHaveLength(1)
  })

  it('is woken for a row it did not know of when it went to sleep', async () => {
    const { clock, scan, add, published } = setup()
    await scan.start()
    await clock.advance(100)
    add('NORMAL', 300)
    scan.wakeIn(200)
    await clock.advance(200)
    expect(published).toHaveLength(1)
  })

  it('a full pass is followed at once by the next, and no lane gives more than the limit per pass', async () => {
    const { clock, scan, add, releases, published, passes } = setup({ limit: 10 })
    add('NORMAL', 0, 25)
    await scan.start()
    await clock.advance(0)
    expect(releases).toEqual([[sms('NORMAL', 10)], [sms('NORMAL', 10)], [sms('NORMAL', 5)]])
    expect(published).toHaveLength(25)
    expect(passes).toEqual([0, 0, 0])
  })

  it('releases no more than it has permits for, high first, every lane some', async () => {
    const { clock, scan, add, releases } = setup({ take: () => ({ granted: 10, retryAfterMs: 200, degraded: false }) })
    add('HIGH', 0, 50)
    add('NORMAL', 0, 50)
    add('LOW', 0, 50)
    await scan.start()
    await clock.advance(0)
    expect(releases[0]).toEqual([sms('HIGH', 6), sms('NORMAL', 3), sms('LOW', 1)])
  })

  it('sleeps until the limiter has permits again although rows are overdue', async () => {
    let permits = 0
    const { clock, scan, add, passes, published } = setup({
      take: (wanted) => ({ granted: Math.min(permits, wanted), retryAfterMs: 700, degraded: false }),
    })
    add('NORMAL', 0, 2)
    await scan.start()
    await clock.advance(699)
    expect(passes).toEqual([0])
    permits = 2
    await clock.advance(1)
    expect(published).toHaveLength(2)
  })

  it('one refused channel does not hold up the others', async () => {
    const { clock, scan, add, published } = setup({
      limit: 10,
      take: (wanted, channel) =>
        channel === 'SMS'
          ? { granted: 0, retryAfterMs: 4_000, degraded: false }
          : { granted: wanted, retryAfterMs: 0, degraded: false },
    })
    add('NORMAL', 0, 5)
    add('NORMAL', 0, 30, 'EMAIL')
    add('NORMAL', 300, 1, 'EMAIL')
    await scan.start()
    await clock.advance(0)
    expect(published).toHaveLength(30)
    await clock.advance(300)
    expect(published).toHaveLength(31)
  })

  it('small grants pass after pass reach every lane', async () => {
    const { clock, scan, add, published } = setup({ take: () => ({ granted: 2, retryAfterMs: 100, degraded: false }) })
    for (const priority of ['HIGH', 'NORMAL', 'LOW'] as const) add(priority, 0, 100)
    await scan.start()
    await clock.advance(4_950)
    const count = (priority: Lane['priority']) => published.filter((row) => row.priority === priority).length
    expect([count('HIGH'), count('NORMAL'), count('LOW')]).toEqual([60, 30, 10])
  })

  it('ends expired rows without permits', async () => {
    const { clock, scan, expired, telemetry } = setup({
      take: () => ({ granted: 0, retryAfterMs: 500, degraded: true }),
    })
    expired.push({ channel: 'SMS', priority: 'LOW' })
    await scan.start()
    await clock.advance(0)
    expect(telemetry.calls.failed).toEqual([['SMS', 'expired', 1]])
  })

  it('goes on after a pass that PostgreSQL did not answer', async () => {
    const { clock, scan, add, faults, published } = setup()
    faults.push(new DependencyUnavailableError('postgres', 'away'))
    add('NORMAL', 0)
    await scan.start()
    await clock.advance(1_000)
    expect(published).toHaveLength(1)
  })

  it('many rows falling due one after another share passes', async () => {
    const { clock, scan, add, passes, published } = setup()
    await scan.start()
    for (let at = 1; at <= 200; at++) add('NORMAL', at)
    for (let at = 1; at <= 200; at++) scan.wakeIn(at)
    await clock.advance(400)
    expect(published).toHaveLength(200)
    expect(passes.length).toBeLessThan(20)
  })

  it('sweeps abandoned attempts every two seconds and publishes them after their back-off', async () => {
    const { clock, scan, add, orphans, published } = setup()
    await scan.start()
    await clock.advance(10)
    orphans.push({ id: anId(), channel: 'SMS', priority: 'NORMAL', status: 'QUEUED', reason: null })
    add('NORMAL', 3_000)
    await clock.advance(3_000)
    expect(orphans).toEqual([])
    expect(published).toHaveLength(1)
  })

  it('a stand-in looks only while it is needed', async () => {
    let isNeeded = false
    const { clock, scan, add, published } = setup({ isNeeded: () => isNeeded })
    add('NORMAL', 0)
    await scan.start()
    await clock.advance(10_000)
    expect(published).toHaveLength(0)
    isNeeded = true
    await clock.advance(1_000)
    expect(published).toHaveLength(1)
  })

  it('stops although it is asleep, and looks no more', async () => {
    const { clock, scan, passes } = setup()
    await scan.start()
    await clock.advance(100)
    await scan.stop()
    await clock.advance(60_000)
    expect(passes).toEqual([0])
  })
})
