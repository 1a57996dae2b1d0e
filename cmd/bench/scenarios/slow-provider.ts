import type { Running } from '../contenders/contender.ts'
import { latencyOf } from '../stats.ts'
import { sharedNowMs } from '../time.ts'
import { looking, untilDrained } from './drained.ts'
import { type Bench, type Contest, type Figures, scaled, withRunning } from './scenario.ts'
import { warmBySingles } from './warm.ts'

const concurrency = 64
const connections = 256
const slowChannel = 'PUSH'
const channels = ['SMS', 'EMAIL', slowChannel]
const delayMs = 2_000
/** Of what accept-single took: far from any limit, but many times what the slow channel can send. */
const share = 0.25
/** When accept-single was not part of the run. */
const perSecondDefault = 750
/** Without and with, twice each. */
const phases = [false, true, false, true]

/** When each notification of the other channels was meant to be sent and was received, by the shared clock. */
interface Seen {
  readonly scheduled: number[]
  readonly received: number[]
}

export const slowProvider: Contest = {
  name: 'slow-provider',
  about: `requests at fixed times, a quarter as many per second as accept-single took, in turns for ${channels.join(', ')}; 10 s in which all targets answer at once (without), 10 s in which that of ${slowChannel} answers after ${delayMs / 1_000} s (with), and both again; latency of the other two channels from the time a request was meant to be sent until the target received it; p99, × = with / without`,
  headline: null,
  who: 'engine',
  limitMs: 240_000,
  run(bench, contender) {
    const found = bench.found('accept-single', contender.name, 'endToEndPerSecond')
    const perSecond = Math.max(channels.length, Math.floor(found === null ? perSecondDefault : found * share))
    return withRunning(bench, contender, concurrency, async (running) => {
      const without: Seen = { scheduled: [], received: [] }
      const withSlow: Seen = { scheduled: [], received: [] }
      const seconds = scaled(bench, 10)
      await warmBySingles(bench, running)
      for (const isSlow of phases) {
        const phase = { perSecond, requests: perSecond * seconds, isSlow }
        await runPhase(bench, running, phase, isSlow ? withSlow : without)
      }
      return { offeredPerSecond: perSecond, ...compare(without, withSlow) }
    })
  },
}

interface Phase {
  readonly perSecond: number
  readonly requests: number
  readonly isSlow: boolean
}

/** @param seen what is added to. */
async function runPhase(bench: Bench, running: Running, { perSecond, requests, isSlow }: Phase, seen: Seen) {
  const { load, sink } = bench
  await sink.reset({ record: requests, ...(isSlow && { slow: { channel: slowChannel.toLowerCase(), delayMs } }) })
  const { scheduled } = await load.open({ urls: running.urls, connections, perSecond, requests, channels })
  const isOther = (_: number, number: number) => channels[number % channels.length] !== slowChannel
  const others = async () => (await sink.received()).filter(isOther)
  const areReceived = async () => (await others()).every((atMs) => atMs > 0)
  await looking(bench, areReceived, () => 'the other channels were not received')
  seen.scheduled.push(...scheduled.filter(isOther))
  seen.received.push(...(await others()))
  await sink.hurry() // the backlog of the slow channel
  await untilDrained(bench, running, requests)
}

function compare(seenWithout: Seen, seenWith: Seen): Figures {
  const of = ({ scheduled, received }: Seen) => latencyOf(scheduled, received, sharedNowMs())
  const without = of(seenWithout)
  const withSlow = of(seenWith)
  return {
    withoutP50Ms: without.p50,
    withP50Ms: withSlow.p50,
    withoutP95Ms: without.p95,
    withP95Ms: withSlow.p95,
    withoutP99Ms: without.p99,
    withP99Ms: withSlow.p99,
    p99Times: withSlow.p99 / without.p99,
  }
}
