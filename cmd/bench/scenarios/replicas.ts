import { batchItems, runBatches } from './batches.ts'
import { type Contest, scaled, warming } from './scenario.ts'

const concurrency = 256
const batches = 50

/** 1, 2 and 4 engine processes on the same servers. */
export const replicas: Contest = {
  name: 'replicas',
  about: `${(batches * batchItems).toLocaleString('en')} notifications in batches of 1,000 over 8 connections, accepted and sent by 1, 2 and 4 engine processes with ${concurrency} sends at once in all; from the first request until the last one is settled; memory and service cpu of all processes together`,
  headline: 'drainedPerSecond',
  who: ['engine', 'engine ×2', 'engine ×4'],
  limitMs: 300_000,
  run: (bench, contender) =>
    runBatches(bench, contender, {
      concurrency,
      connections: 8,
      batches: scaled(bench, batches),
      warmBatches: warming(bench, 10),
    }),
}
