import type { Contender } from '../contenders/contender.ts'
import type { OpenResult } from '../load.ts'
import { latencyOf } from '../stats.ts'
import { untilDrained } from './drained.ts'
import { type Bench, type Contest, type Figures, scaled, withRunning } from './scenario.ts'
import { warmBySingles } from './warm.ts'
import { watchUsage } from './watch-usage.ts'

const connections = 256
const concurrency = 64
/** When accept-single was not part of the run. */
const perSecondDefault = 1_500
const share = 0.5

export const latency: Contest = {
  name: 'latency',
  about: `requests at fixed times, half as many per second as accept-single took, whatever becomes of those before; from the time a request was meant to be sent until the target received it`,
  headline: null,
  who: 'everybody',
  limitMs: 120_000,
  run: (bench, contender) => {
    const found = bench.found('accept-single', contender.name, 'endToEndPerSecond') ?? perSecondDefault
    const perSecond = Math.max(1, Math.floor(found * share))
    return runOpen(bench, contender, perSecond, scaled(bench, 15))
  },
}

export const latencyIdle: Contest = {
  name: 'latency-idle',
  about: 'one request every 100 ms; from the time it was meant to be sent until the target received it',
  headline: null,
  who: 'everybody',
  limitMs: 120_000,
  run: (bench, contender) => runOpen(bench, contender, 10, scaled(bench, 15)),
}

function runOpen(bench: Bench, contender: Contender, perSecond: number, seconds: number): Promise<Figures> {
  const { load, sink } = bench
  return withRunning(bench, contender, concurrency, async (running) => {
    const loop = { urls: running.urls, connections, perSecond }
    await warmBySingles(bench, running)
    const requests = perSecond * seconds
    await sink.reset({ record: requests })
    const usage = watchUsage(bench, running)
    const sent = await load.open({ ...loop, requests })
    const endedMs = await untilDrained(bench, running, requests)
    const used = usage.cores()
    return { offeredPerSecond: perSecond, ...figuresOf(sent, await sink.received(), endedMs), ...used }
  })
}

function figuresOf({ scheduled, answered }: OpenResult, received: Float64Array, endedMs: number): Figures {
  const { p50, p95, p99, p999, max } = latencyOf(scheduled, received, endedMs)
  return {
    p50Ms: p50,
    p95Ms: p95,
    p99Ms: p99,
    p999Ms: p999,
    maxMs: max,
    answerP99Ms: latencyOf(scheduled, answered, endedMs).p99,
  }
}
