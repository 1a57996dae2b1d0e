import type { Contender } from '../contenders/contender.ts'
import type { SinkMode } from '../sink.ts'
import { untilDrained } from './drained.ts'
import { type Bench, type Figures, scaled, withRunning } from './scenario.ts'
import { watchUsage } from './watch-usage.ts'

export interface BatchRun {
  /** Sends under way at once. */
  readonly concurrency: number
  readonly connections: number
  /** Of {@link batchItems} notifications each. */
  readonly batches: number
  readonly warmBatches: number
  /** How the target answers what is measured; default: it takes everything. */
  readonly target?: SinkMode
}

/** Notifications in each batch. */
export const batchItems = 1_000

/** Accepts batches while sends are under way, and waits until all is settled. */
export function runBatches(
  bench: Bench,
  contender: Contender,
  { concurrency, connections, batches, warmBatches, target }: BatchRun,
): Promise<Figures> {
  return withRunning(bench, contender, concurrency, async (running) => {
    const loop = { urls: running.urls, connections, items: batchItems, withinMs: 120_000 }
    const warm = await bench.load.closed({ ...loop, requests: warmBatches })
    await untilDrained(bench, running, warm.accepted)
    await bench.sink.reset(target)
    const usage = watchUsage(bench, running)
    const { accepted, startedMs, endedMs, p99Ms } = await bench.load.closed({ ...loop, requests: batches })
    const drainedMs = await untilDrained(bench, running, accepted)
    const used = usage.costs(accepted)
    await running.check?.(warm.accepted + accepted)
    return {
      acceptedPerSecond: (accepted / (endedMs - startedMs)) * 1_000,
      drainedPerSecond: (accepted / (drainedMs - startedMs)) * 1_000,
      answerP99Ms: p99Ms,
      ...used,
    }
  })
}

/** The slowest peer would take minutes for what others do in seconds. */
export function sized(bench: Bench, contender: Contender, batches: number): number {
  return scaled(bench, contender.name === 'pg-boss' ? batches / 5 : batches)
}
