import { untilDrained } from './drained.ts'
import { type Contest, scaled, withRunning } from './scenario.ts'
import { singleConnections, singlesTo, warmBySingles } from './warm.ts'
import { watchUsage } from './watch-usage.ts'

const concurrency = 64

export const acceptSingle: Contest = {
  name: 'accept-single',
  about: `${singleConnections} connections, each sends its next request when the last was answered, while ${concurrency} sends at once go to the sink; end to end = until the last one is settled`,
  headline: 'endToEndPerSecond',
  who: 'everybody',
  limitMs: 180_000,
  run: (bench, contender) =>
    withRunning(bench, contender, concurrency, async (running) => {
      const warm = await warmBySingles(bench, running)
      const usage = watchUsage(bench, running)
      const { accepted, startedMs, endedMs, p99Ms } = await bench.load.closed({
        ...singlesTo(running),
        withinMs: scaled(bench, 10_000, 1_000),
      })
      const drainedMs = await untilDrained(bench, running, warm.accepted + accepted)
      const used = usage.costs(accepted)
      await running.check?.(warm.accepted + accepted)
      return {
        endToEndPerSecond: (accepted / (drainedMs - startedMs)) * 1_000,
        acceptedPerSecond: (accepted / (endedMs - startedMs)) * 1_000,
        answerP99Ms: p99Ms,
        ...used,
      }
    }),
}
