import { setTimeout as delay } from 'node:timers/promises'
import { untilDrained } from './drained.ts'
import { type Contest, scaled, withRunning } from './scenario.ts'
import { watchUsage } from './watch-usage.ts'

export const idle: Contest = {
  name: 'idle',
  about: 'processor time and memory of the engine while nothing is asked of it for a minute, after some work',
  headline: null,
  who: 'engine',
  limitMs: 150_000,
  run: (bench, contender) =>
    withRunning(bench, contender, 64, async (running) => {
      const loop = { urls: running.urls, connections: 16, items: 1, withinMs: 10_000, requests: 1_000 }
      const { accepted } = await bench.load.closed(loop)
      await untilDrained(bench, running, accepted)
      await delay(scaled(bench, 5_000)) // what was put off until it is quiet
      const usage = watchUsage(bench, running)
      await delay(scaled(bench, 60_000))
      return usage.cores()
    }),
}
