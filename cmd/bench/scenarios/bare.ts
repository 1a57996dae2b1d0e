import { type Study, scaled } from './scenario.ts'

const connections = 256

/** What no engine on this machine can beat. */
export const bare: Study = {
  name: 'bare',
  about: `an undici loop of ${connections} sends at once against the same sink, with nothing around it: the upper bound of drain; and what the load generator can send at most`,
  who: 'nobody',
  limitMs: 120_000,
  async run(bench) {
    const { load, sink } = bench
    const requests = scaled(bench, 150_000)
    const send = (count: number) => load.bare({ url: sink.url, connections, requests: count })
    await sink.reset()
    await send(Math.ceil(requests / 10))
    const { accepted, startedMs, endedMs } = await send(requests)
    // The sink answers as the engine does, so the load generator can be pointed at it: more than this it cannot send.
    const own = await load.closed({ urls: [sink.url], connections: 64, items: 1, requests, withinMs: 60_000 })
    const deliveredPerSecond = (accepted / (endedMs - startedMs)) * 1_000
    const loadGeneratorPerSecond = (own.accepted / (own.endedMs - own.startedMs)) * 1_000
    return { bare: { deliveredPerSecond, loadGeneratorPerSecond } }
  },
}
