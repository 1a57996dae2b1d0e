import type { Running } from '../contenders/contender.ts'
import type { LoopResult } from '../load.ts'
import { untilDrained } from './drained.ts'
import { type Bench, warming } from './scenario.ts'

/** Each sends its next request when the last was answered. */
export const singleConnections = 64
const withinMs = 10_000

/** Single requests, as many as go. */
export function singlesTo({ urls }: Running) {
  return { urls, connections: singleConnections, items: 1, requests: null }
}

/**
 * Single requests until the code of the contender is compiled, as that of a service that runs for days: for seconds after
 * its start V8 compiles beside the work. With 3 s of warming the p99 of the latency was 78 to 222 ms, with these 25 to 47.
 */
export async function warmBySingles(bench: Bench, running: Running): Promise<LoopResult> {
  const warm = await bench.load.closed({ ...singlesTo(running), withinMs: warming(bench, withinMs) })
  await untilDrained(bench, running, warm.accepted)
  return warm
}
