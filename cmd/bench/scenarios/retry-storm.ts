import { batchItems, runBatches } from './batches.ts'
import { type Contest, scaled, warming } from './scenario.ts'

/** Sends that fail of every second notification: as many failures in all as notifications. */
const failures = 2

/**
 * BullMQ is the one peer whose back-off can be set to the same base. graphile-worker waits e^n seconds whatever one
 * says, and pg-boss adds up to the same again at random.
 */
export const retryStorm: Contest = {
  name: 'retry-storm',
  about:
    '100,000 notifications in batches of 1,000, 256 sends at once; the target refuses every second one twice, so half of all sends fail; back-off of 1 s, then 2 s (BullMQ without jitter); until the last one is settled, the back-off included',
  headline: 'drainedPerSecond',
  who: ['engine', 'baseline', 'bullmq'],
  limitMs: 300_000,
  run(bench, contender) {
    const batches = scaled(bench, 100)
    return runBatches(bench, contender, {
      concurrency: 256,
      connections: 4,
      batches,
      warmBatches: warming(bench, 10),
      target: { record: batches * batchItems, failures },
    })
  },
}
