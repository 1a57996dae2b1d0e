import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'
import { z } from 'zod'
import { makeDeliver } from './deliver.ts'
import { content, oneChannel, recipientOf } from './items.ts'
import { obey } from './remote.ts'
import { percentile } from './stats.ts'
import { sharedNowMs } from './time.ts'

/** The load generator, in a process of its own so that it does not wait behind anybody else's work. */

const target = z.object({ urls: z.array(z.string()), connections: z.number() })
const closedLoop = target.extend({
  /** Ends after so many requests or so much time, whichever comes first. */
  requests: z.number().nullable(),
  withinMs: z.number(),
  /** 1 = single requests, more = batches. */
  items: z.number(),
})
const openLoop = target.extend({ perSecond: z.number(), requests: z.number(), channels: z.array(z.string()) })
const bareLoop = z.object({ url: z.string(), connections: z.number(), requests: z.number() })

function itemOf(number: number, channel = oneChannel): string {
  return `{"channel":"${channel}","recipient":"${recipientOf(number, channel)}","content":"${content}"}`
}

/** One request; resolves with null when it was accepted, else with what came instead. */
function post(pool: Pool, path: string, body: string): Promise<string | null> {
  return new Promise((resolve) => {
    let status = 0
    let answer = ''
    pool.dispatch(
      { method: 'POST', path, headers: { 'content-type': 'application/json' }, body },
      {
        onRequestStart: () => undefined, // undici insists on it
        onResponseStart: (_controller, statusCode) => {
          status = statusCode
        },
        onResponseData: (_controller, chunk) => {
          if (status !== 202) answer += chunk.toString()
        },
        onResponseEnd: () => resolve(status === 202 ? null : `${status} ${answer.slice(0, 500)}`),
        onResponseError: (_controller, error) => resolve(error.message),
      },
    )
  })
}

/** The connections of one loop, the same number to each process of a service. */
class Pools {
  readonly #pools: readonly Pool[]

  constructor({ urls, connections }: z.infer<typeof target>) {
    const each = Math.ceil(connections / urls.length)
    const options = { connections: each, pipelining: 1, headersTimeout: 60_000, bodyTimeout: 60_000 }
    this.#pools = urls.map((url) => new Pool(url, options))
  }

  /** In turns. */
  at(number: number): Pool {
    const pool = this.#pools[number % this.#pools.length]
    if (pool === undefined) throw new Error('a loop needs at least one URL')
    return pool
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.destroy()))
  }
}

/** Every connection sends its next request as soon as it has its answer. */
async function runClosed(input: unknown) {
  const { items, requests, withinMs, ...to } = closedLoop.parse(input)
  const pools = new Pools(to)
  const latencies: number[] = []
  const startedMs = sharedNowMs()
  let begun = 0
  const failures: string[] = []
  const lane = async (pool: Pool) => {
    while (
      failures.length === 0 &&
      begun < (requests ?? Number.POSITIVE_INFINITY) &&
      sharedNowMs() - startedMs < withinMs
    ) {
      const number = begun++
      const sentMs = sharedNowMs()
      const failure =
        items === 1 ? await post(pool, '/v1/notifications', itemOf(number)) : await postBatch(pool, number)
      latencies.push(sharedNowMs() - sentMs)
      if (failure !== null) failures.push(failure)
    }
  }
  const postBatch = (pool: Pool, number: number) => {
    const body = Array.from({ length: items }, (_, index) => itemOf(number * items + index)).join()
    return post(pool, '/v1/notifications/batch', `{"notifications":[${body}]}`)
  }
  await Promise.all(Array.from({ length: to.connections }, (_, index) => lane(pools.at(index))))
  const endedMs = sharedNowMs()
  await pools.close()
  latencies.sort((a, b) => a - b)
  return {
    accepted: (begun - failures.length) * items,
    failures: failures.slice(0, 3),
    startedMs,
    endedMs,
    p99Ms: percentile(latencies, 99),
  }
}

/** Requests go out when they are due, whatever became of those before. */
async function runOpen(input: unknown) {
  const { perSecond, requests, channels, ...to } = openLoop.parse(input)
  const pools = new Pools(to)
  const scheduled = new Float64Array(requests)
  const answered = new Float64Array(requests)
  const failures: string[] = []
  const pending: Promise<void>[] = []
  const send = async (number: number) => {
    const failure = await post(
      pools.at(number),
      '/v1/notifications',
      itemOf(number, channels[number % channels.length]),
    )
    answered[number] = sharedNowMs()
    if (failure !== null) failures.push(failure)
  }
  const startedMs = sharedNowMs() + 10
  for (let number = 0; number < requests; number++) {
    const atMs = startedMs + (number * 1_000) / perSecond
    scheduled[number] = atMs
    // A timer rounds to whole milliseconds: better a little late than waiting busily, the lateness is counted.
    const leftMs = atMs - sharedNowMs()
    if (leftMs > 0.5) await delay(leftMs)
    pending.push(send(number))
  }
  await Promise.all(pending)
  await pools.close()
  return { scheduled, answered, failures: failures.slice(0, 3), endedMs: sharedNowMs() }
}

/** The send that everybody makes, with nothing around it. */
async function runBare(input: unknown) {
  const { url, connections, requests } = bareLoop.parse(input)
  const deliver = makeDeliver(url, connections)
  const startedMs = sharedNowMs()
  let begun = 0
  const lane = async () => {
    while (begun < requests) {
      const number = begun++
      await deliver({ id: String(number), channel: 'SMS', recipient: recipientOf(number), content })
    }
  }
  await Promise.all(Array.from({ length: connections }, lane))
  return { accepted: requests, failures: [], startedMs, endedMs: sharedNowMs(), p99Ms: 0 }
}

obey({ closed: runClosed, open: runOpen, bare: runBare })
