import { messageOf } from '../domain/errors.ts'
import { byChannel, type Channel, channels, type Lane, lanes, type Priority } from '../domain/notification.ts'
import { orphanBackoffMs } from '../domain/protocol.ts'
import type { Clock } from '../port/clock.ts'
import type { LaneCount, NotificationStore, Orphan, ReleasedRow } from '../port/notification-store.ts'
import type { RateLimiter } from '../port/rate-limiter.ts'
import type { Logger, Telemetry } from '../port/telemetry.ts'
import { FairShare, shareByPriority } from './fair-share.ts'
import type { Publish } from './publish.ts'

export interface ScanDeps {
  readonly store: Pick<NotificationStore, 'countDue' | 'releaseDue' | 'expireDue' | 'nextDueInMs' | 'sweepOrphans'>
  readonly rateLimiter: RateLimiter
  readonly publish: Publish
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  readonly telemetry: Pick<Telemetry, 'released' | 'failed' | 'orphaned'>
  readonly logger: Logger
  /** False: whoever should work on what is released cannot be reached, or another process releases. */
  readonly mayRelease: () => boolean
  /** Uniform in [0, 1), for the spread of what is swept; without it there is no spread. */
  readonly random?: () => number
}

export interface ScanSettings {
  /** Longest pause between two passes. */
  readonly intervalMs: number
  /** Most rows per lane and pass. */
  readonly limit: number
  /** Also end what has expired and what was abandoned: whoever has the role, not those who only stand in. */
  readonly sweeps: boolean
}

export interface Scan {
  readonly name: string
  start(): Promise<void>
  stop(): Promise<void>
  /** Some row will be due in `ms`: the next pass is no later than that. Cheap enough to call per row. */
  wakeIn(ms: number): void
}

/** What one pass found in a channel that had due rows. */
interface ChannelPass {
  readonly channel: Channel
  readonly counts: readonly LaneCount[]
  /** A lane had as many rows as a pass takes: more may be waiting. */
  readonly full: boolean
  /** The limiter's answer for rows left over, null when all were granted. */
  readonly refusedForMs: number | null
}

/** Shortest pause: rows that another replica is about to release look due until it commits. */
const pauseMinMs = 20
/** Permits come in whole groups this way instead of one by one. */
const refusedPauseMinMs = 100
/** A SENDING row whose lease is over waits about this long for the sweep. */
const sweepIntervalMs = 2_000
/** Many times as long as a send usually takes. */
const orphanSpreadMs = 5_000
const sweptAloneMax = 64
const sweepGroup = 25
const pauseAfterFaultMs = 1_000
/** How often a stand-in asks whether it is needed. */
const standInPauseMs = 1_000

/**
 * The polling scanner: whatever is due (retry, schedule, lost publish) is made QUEUED anew and published, never
 * faster than its channel may send. Every replica runs it; SKIP LOCKED shares the work.
 */
export function makeScan(deps: ScanDeps, settings: ScanSettings): Scan {
  // Kept over the passes: a pass with two permits must not begin with HIGH each time.
  const turns: Turns = byChannel(() => new FairShare())
  const release = makeLoop(deps, async () => {
    if (!deps.mayRelease()) return Math.min(standInPauseMs, settings.intervalMs)
    return releasePass(deps, settings, turns)
  })
  const sweep = makeLoop(deps, async () => {
    const count = await sweepPass(deps, settings)
    if (count > 0) release.wakeIn(orphanBackoffMs)
    return count >= settings.limit ? 0 : sweepIntervalMs
  })
  return {
    name: 'scan',
    async start() {
      release.start()
      if (settings.sweeps) sweep.start()
    },
    async stop() {
      await Promise.all([release.stop(), sweep.stop()])
    },
    wakeIn: (ms) => release.wakeIn(ms),
  }
}

type Turns = Readonly<Record<Channel, FairShare>>

/** @returns the pause before the next pass. */
async function releasePass(deps: ScanDeps, settings: ScanSettings, turns: Turns): Promise<number> {
  const due = await deps.store.countDue(lanes, settings.limit)
  const found = await Promise.all(
    channels
      .filter((channel) => due.some((lane) => lane.channel === channel))
      .map((channel) => grantChannel(deps.rateLimiter, turns[channel], channel, due, settings.limit)),
  )
  const counts = found.flatMap((one) => one.counts)
  const released = counts.length === 0 ? [] : await deps.store.releaseDue(counts)
  reportReleased(deps, released)
  await deps.publish(released)
  return nextPauseMs(deps, settings, found, new Set(released.map((row) => row.channel)))
}

/** Release permits of one channel, shared among its lanes: high first, every lane gets some. */
async function grantChannel(
  limiter: RateLimiter,
  turns: FairShare,
  channel: Channel,
  due: readonly LaneCount[],
  limit: number,
): Promise<ChannelPass> {
  const wanted: Record<Priority, number> = { HIGH: 0, NORMAL: 0, LOW: 0 }
  const own = due.filter((lane) => lane.channel === channel)
  for (const lane of own) wanted[lane.priority] = lane.count
  const total = wanted.HIGH + wanted.NORMAL + wanted.LOW
  const { granted, retryAfterMs } = await limiter.take('release', channel, total)
  const share = shareByPriority(turns, granted, wanted)
  const counts = own
    .map(({ priority }) => ({ channel, priority, count: share[priority] }))
    .filter((lane) => lane.count > 0)
  const full = own.some((lane) => lane.count >= limit)
  return { channel, counts, full, refusedForMs: granted < total ? retryAfterMs : null }
}

function reportReleased(deps: ScanDeps, released: readonly ReleasedRow[]): void {
  for (const cause of ['schedule', 'retry', 'lost'] as const) {
    const count = released.filter((row) => row.cause === cause).length
    if (count > 0) deps.telemetry.released(cause, count)
  }
}

/**
 * One of the orphans may be what ended their worker. Back together they would be claimed together and be lost together
 * again, until the budgets of all are spent; so each comes back at a time of its own. Past the first ones in groups, for
 * an outage leaves more of them than a worker holds.
 */
async function sweepApart({ store, random = () => 0 }: ScanDeps, limit: number): Promise<readonly Orphan[]> {
  const orphans: Orphan[] = []
  while (orphans.length < limit) {
    const wanted = Math.min(orphans.length < sweptAloneMax ? 1 : sweepGroup, limit - orphans.length)
    const found = await store.sweepOrphans(wanted, orphanBackoffMs + Math.floor(random() * orphanSpreadMs))
    orphans.push(...found)
    if (found.length < wanted) break
  }
  return orphans
}

/** Ends what has expired and what its worker abandoned. Returns the larger of the two counts. */
async function sweepPass(deps: ScanDeps, settings: ScanSettings): Promise<number> {
  const expired = await deps.store.expireDue(lanes, settings.limit)
  for (const { channel } of expired) deps.telemetry.failed(channel, 'expired', 1)
  if (expired.length > 0) deps.logger.warn('notifications expired before they could be sent', { count: expired.length })
  const orphans = await sweepApart(deps, settings.limit)
  if (orphans.length > 0) deps.telemetry.orphaned(orphans.length)
  for (const { channel, reason } of orphans) if (reason !== null) deps.telemetry.failed(channel, reason, 1)
  if (orphans.length > 0) deps.logger.warn('attempts were abandoned by their worker', { count: orphans.length })
  return Math.max(expired.length, orphans.length)
}

/**
 * At once when a channel has more to give; else until a row is due or the limiter has permits again, whichever comes
 * first; at most the interval. Rows of a refused channel are due already and do not count.
 */
async function nextPauseMs(
  { store }: ScanDeps,
  settings: ScanSettings,
  found: readonly ChannelPass[],
  moved: ReadonlySet<Channel>,
): Promise<number> {
  const refused = new Map(found.flatMap((one) => (one.refusedForMs === null ? [] : [[one.channel, one.refusedForMs]])))
  // Nothing moved although rows are due: another replica holds them.
  if (found.some((one) => one.full && !refused.has(one.channel) && moved.has(one.channel))) return 0
  const open: readonly Lane[] = lanes.filter((lane) => !refused.has(lane.channel))
  const nextDueInMs = (await store.nextDueInMs(open)) ?? settings.intervalMs
  const permitsInMs = Math.max(refusedPauseMinMs, Math.min(...refused.values(), settings.intervalMs))
  return Math.min(
    Math.max(nextDueInMs, pauseMinMs),
    refused.size > 0 ? permitsInMs : settings.intervalMs,
    settings.intervalMs,
  )
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
