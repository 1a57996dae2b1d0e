import { runBatches, sized } from './batches.ts'
import { type Contest, warming } from './scenario.ts'

export const drain: Contest = {
  name: 'drain',
  about:
    '100,000 notifications (pg-boss: 20,000) in batches of 1,000 over 4 connections, 256 sends at once; from the first request until the last one is settled',
  headline: 'drainedPerSecond',
  who: 'everybody',
  limitMs: 300_000,
  run: (bench, contender) =>
    runBatches(bench, contender, {
      concurrency: 256,
      connections: 4,
      batches: sized(bench, contender, 100),
      warmBatches: warming(bench, 30),
    }),
}
