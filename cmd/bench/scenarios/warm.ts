import type { Running } from '../contenders/contender.ts'
import type { LoopResult } from '../load.ts'
import { untilDrained } from './drained.ts'
import { type Bench, warming } from './scenario.ts'

const connections = 64
const withinMs = 10_000

/**
 * Single requests until the code of the contender is compiled, as that of a service that runs for days: for seconds
 * after its start V8 compiles beside the work, which costs as much again as the work itself.
 */
export async function warmBySingles(bench: Bench, running: Running): Promise<LoopResult> {
  const loop = { urls: running.urls, connections, items: 1, requests: null }
  const warm = await bench.load.closed({ ...loop, withinMs: warming(bench, withinMs) })
  await untilDrained(bench, running, warm.accepted)
  return warm
}
