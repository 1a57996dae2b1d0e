import { acceptBatch } from './accept-batch.ts'
import { acceptSingle } from './accept-single.ts'
import { backlog } from './backlog.ts'
import { bare } from './bare.ts'
import { connector } from './connector.ts'
import { drain } from './drain.ts'
import { embedded } from './embedded.ts'
import { history } from './history.ts'
import { idle } from './idle.ts'
import { latency, latencyIdle } from './latency.ts'
import { replicas } from './replicas.ts'
import { retryStorm } from './retry-storm.ts'
import type { Scenario } from './scenario.ts'
import { slowProvider } from './slow-provider.ts'

/** In the order of a whole run: later ones may ask what earlier ones found. */
export const scenarios: readonly Scenario[] = [
  bare,
  acceptSingle,
  acceptBatch,
  drain,
  latency,
  latencyIdle,
  slowProvider,
  retryStorm,
  idle,
  replicas,
  embedded,
  connector,
  backlog,
  history,
]
