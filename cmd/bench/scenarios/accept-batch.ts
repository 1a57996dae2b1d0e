import { runBatches, sized } from './batches.ts'
import { type Contest, warming } from './scenario.ts'

export const acceptBatch: Contest = {
  name: 'accept-batch',
  about:
    '4 connections with batches of 1,000, 50 in all (pg-boss: 10), while 64 sends at once go to the sink; until the last 202',
  headline: 'acceptedPerSecond',
  who: 'everybody',
  limitMs: 180_000,
  run: (bench, contender) =>
    runBatches(bench, contender, {
      concurrency: 64,
      connections: 4,
      batches: sized(bench, contender, 50),
      warmBatches: warming(bench, 30),
    }),
}
