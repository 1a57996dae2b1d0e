import { messageOf } from '../domain/errors.ts'
import { type Channel, channels, lanes, type Priority } from '../domain/notification.ts'
import { orphanBackoffMs } from '../domain/protocol.ts'
import type { Clock } from '../port/clock.ts'
import type { LaneCount, NotificationStore, ReleaseResult } from '../port/notification-store.ts'
import type { RateLimiter } from '../port/rate-limiter.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { shareByPriority } from './fair-share.ts'
import type { Publish } from './publish.ts'

export interface ScanDeps {
  readonly store: Pick<NotificationStore, 'countDue' | 'releaseDue' | 'nextDueInMs' | 'sweepOrphans'>
  readonly rateLimiter: RateLimiter
  readonly publish: Publish
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  readonly telemetry: Pick<Telemetry, 'released' | 'failed' | 'orphaned'>
  readonly logger: Logger
  /** False: another process scans, this one only stands in while the broker is away. */
  readonly isNeeded: () => boolean
}

export interface ScanSettings {
  /** Longest pause between two passes. */
  readonly intervalMs: number
  /** Most rows per lane and pass. */
  readonly limit: number
}

export interface Scan {
  readonly name: string
  start(): Promise<void>
  stop(): Promise<void>
  /** Some row will be due in `ms`: the next pass is no later than that. Cheap enough to call per row. */
  wakeIn(ms: number): void
}

interface PassResult {
  /** At least one lane gave as many rows as it may: more is waiting. */
  readonly full: boolean
  /** Longest answer of the limiter for channels with rows left, null when none was refused. */
  readonly refusedForMs: number | null
}

/** Shortest pause: rows that another replica is about to release look due until it commits. */
const pauseMinMs = 20
/** Permits come in whole groups this way instead of one by one. */
const refusedPauseMinMs = 100
/** A SENDING row whose lease is over waits at most this long for the sweep. */
const sweepIntervalMs = 2_000
const pauseAfterFaultMs = 1_000
/** How often a stand-in asks whether it is needed. */
const standInPauseMs = 1_000

/**
 * The polling scanner: whatever is due (retry, schedule, lost publish) is made QUEUED anew and published, never
 * faster than its channel may send. Every replica runs it; SKIP LOCKED shares the work.
 */
export function makeScan(deps: ScanDeps, settings: ScanSettings): Scan {
  const release = makeLoop(deps, async () => {
    if (!deps.isNeeded()) return Math.min(standInPauseMs, settings.intervalMs)
    return nextPauseMs(deps, settings, await releasePass(deps, settings))
  })
  const sweep = makeLoop(deps, async () => {
    if (!deps.isNeeded()) return sweepIntervalMs
    const count = await sweepPass(deps, settings)
    if (count > 0) release.wakeIn(orphanBackoffMs)
    return count >= settings.limit ? 0 : sweepIntervalMs
  })
  return {
    name: 'scan',
    async start() {
      release.start()
      sweep.start()
    },
    async stop() {
      await Promise.all([release.stop(), sweep.stop()])
    },
    wakeIn: (ms) => release.wakeIn(ms),
  }
}

async function releasePass(deps: ScanDeps, settings: ScanSettings): Promise<PassResult> {
  const due = await deps.store.countDue(lanes, settings.limit)
  const grants = await Promise.all(channels.map((channel) => grantChannel(deps.rateLimiter, channel, due)))
  const counts = grants.flatMap((grant) => grant.counts)
  const refusals = grants.flatMap((grant) => (grant.refusedForMs === null ? [] : [grant.refusedForMs]))
  const refusedForMs = refusals.length === 0 ? null : Math.max(...refusals)
  if (counts.length === 0) return { full: false, refusedForMs }
  const result = await deps.store.releaseDue(counts)
  reportRelease(deps, result)
  await deps.publish(result.released)
  return { full: due.some((lane) => lane.count >= settings.limit), refusedForMs }
}

/** Release permits of one channel, shared among its lanes: high first, every lane gets some. */
async function grantChannel(
  limiter: RateLimiter,
  channel: Channel,
  due: readonly LaneCount[],
): Promise<{ readonly counts: readonly LaneCount[]; readonly refusedForMs: number | null }> {
  const wanted: Record<Priority, number> = { HIGH: 0, NORMAL: 0, LOW: 0 }
  for (const lane of due) if (lane.channel === channel) wanted[lane.priority] = lane.count
  const total = wanted.HIGH + wanted.NORMAL + wanted.LOW
  if (total === 0) return { counts: [], refusedForMs: null }
  const { granted, retryAfterMs } = await limiter.take('release', channel, total)
  const share = shareByPriority(granted, wanted)
  const counts = due
    .filter((lane) => lane.channel === channel && share[lane.priority] > 0)
    .map(({ priority }) => ({ channel, priority, count: share[priority] }))
  return { counts, refusedForMs: granted < total ? retryAfterMs : null }
}

function reportRelease(deps: ScanDeps, { released, expired }: ReleaseResult): void {
  for (const cause of ['schedule', 'retry', 'lost'] as const) {
    const count = released.filter((row) => row.cause === cause).length
    if (count > 0) deps.telemetry.released(cause, count)
  }
  for (const { channel } of expired) deps.telemetry.failed(channel, 'expired', 1)
  if (expired.length > 0) deps.logger.warn('notifications expired before they could be sent', { count: expired.length })
}

async function sweepPass(deps: ScanDeps, settings: ScanSettings): Promise<number> {
  const orphans = await deps.store.sweepOrphans(settings.limit, orphanBackoffMs)
  if (orphans.length === 0) return 0
  deps.telemetry.orphaned(orphans.length)
  for (const { channel, reason } of orphans) if (reason !== null) deps.telemetry.failed(channel, reason, 1)
  deps.logger.warn('attempts were abandoned by their worker', { count: orphans.length })
  return orphans.length
}

/** Until the next row is due or the limiter has permits again, whichever is later; at most the interval. */
async function nextPauseMs(deps: ScanDeps, settings: ScanSettings, pass: PassResult): Promise<number> {
  if (pass.refusedForMs !== null) return Math.min(Math.max(pass.refusedForMs, refusedPauseMinMs), settings.intervalMs)
  if (pass.full) return 0
  const nextDueInMs = await deps.store.nextDueInMs(lanes)
  return Math.min(Math.max(nextDueInMs ?? settings.intervalMs, pauseMinMs), settings.intervalMs)
}

interface Loop {
  start(): void
  stop(): Promise<void>
  wakeIn(ms: number): void
}

/** Runs `pass`, which answers with the pause after it; never overlapping, woken early by `wakeIn`, always stoppable. */
function makeLoop({ clock, logger }: Pick<ScanDeps, 'clock' | 'logger'>, pass: () => Promise<number>): Loop {
  const stopping = new AbortController()
  let pause = new AbortController()
  let wakeAtMs = Number.POSITIVE_INFINITY
  /** Many rows that fall due one after another share a pass instead of having one each. */
  let earliestMs = 0
  let running: Promise<void> | null = null

  async function safePass(): Promise<number> {
    try {
      return await pass()
    } catch (error) {
      logger.warn('scan pass failed', { error: messageOf(error) })
      return pauseAfterFaultMs
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      // Wakes that come during the pass count for the pause after it: the pass may have looked too early for them.
      wakeAtMs = Number.POSITIVE_INFINITY
      const pauseMs = await safePass()
      earliestMs = clock.monotonicMs() + Math.min(pauseMs, pauseMinMs)
      wakeAtMs = Math.max(earliestMs, Math.min(wakeAtMs, clock.monotonicMs() + pauseMs))
      while (!stopping.signal.aborted && clock.monotonicMs() < wakeAtMs) {
        pause = new AbortController()
        const signal = AbortSignal.any([stopping.signal, pause.signal])
        await clock.sleep(Math.max(0, wakeAtMs - clock.monotonicMs()), signal).catch(() => undefined)
      }
    }
  }

  return {
    start() {
      running ??= run()
    },
    async stop() {
      stopping.abort(new Error('stopping'))
      await running
    },
    wakeIn(ms) {
      const atMs = Math.max(earliestMs, clock.monotonicMs() + ms)
      if (atMs >= wakeAtMs) return
      wakeAtMs = atMs
      pause.abort(new Error('woken'))
    },
  }
}
