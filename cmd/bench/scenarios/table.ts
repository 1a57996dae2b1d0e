import { acceptBatch } from './accept-batch.ts'
import { acceptSingle } from './accept-single.ts'
import { bare } from './bare.ts'
import { drain } from './drain.ts'
import { idle } from './idle.ts'
import { latency, latencyIdle } from './latency.ts'
import type { Scenario } from './scenario.ts'

/** In the order of a whole run: later ones may ask what earlier ones found. */
export const scenarios: readonly Scenario[] = [bare, acceptSingle, acceptBatch, drain, latency, latencyIdle, idle]
