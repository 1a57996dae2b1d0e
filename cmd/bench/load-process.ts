import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'
import { z } from 'zod'
import { makeDeliver } from './deliver.ts'
import { obey } from './remote.ts'
import { percentile } from './stats.ts'
import { sharedNowMs } from './time.ts'

/** The load generator, in a process of its own so that it does not wait behind anybody else's work. */

const target = z.object({ url: z.string(), connections: z.number() })
const closedLoop = target.extend({
  /** Ends after so many requests or so much time, whichever comes first. */
  requests: z.number().nullable(),
  withinMs: z.number(),
  /** 1 = single requests, more = batches. */
  items: z.number(),
  channels: z.array(z.string()),
})
const openLoop = target.extend({ perSecond: z.number(), requests: z.number(), channels: z.array(z.string()) })
const bareLoop = target.extend({ requests: z.number() })

const content = 'Your parcel is on its way and will be with you tomorrow between nine and eleven in the morning.'

function itemOf(number: number, channels: readonly string[]): string {
  const channel = channels[number % channels.length]
  return `{"channel":"${channel}","recipient":"+${String(number).padStart(10, '0')}","content":"${content}"}`
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

function openPool({ url, connections }: z.infer<typeof target>): Pool {
  return new Pool(url, { connections, pipelining: 1, headersTimeout: 60_000, bodyTimeout: 60_000 })
}

/** Every connection sends its next request as soon as it has its answer. */
async function runClosed(input: unknown) {
  const { items, requests, withinMs, channels, ...to } = closedLoop.parse(input)
  const pool = openPool(to)
  const latencies: number[] = []
  const startedMs = sharedNowMs()
  let begun = 0
  const failures: string[] = []
  const lane = async () => {
    while (
      failures.length === 0 &&
      begun < (requests ?? Number.POSITIVE_INFINITY) &&
      sharedNowMs() - startedMs < withinMs
    ) {
      const number = begun++
      const sentMs = sharedNowMs()
      const failure =
        items === 1 ? await post(pool, '/v1/notifications', itemOf(number, channels)) : await postBatch(number)
      latencies.push(sharedNowMs() - sentMs)
      if (failure !== null) failures.push(failure)
    }
  }
  const postBatch = (number: number) => {
    const body = Array.from({ length: items }, (_, index) => itemOf(number * items + index, channels)).join()
    return post(pool, '/v1/notifications/batch', `{"notifications":[${body}]}`)
  }
  await Promise.all(Array.from({ length: to.connections }, lane))
  const endedMs = sharedNowMs()
  await pool.destroy()
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
  const pool = openPool(to)
  const scheduled = new Float64Array(requests)
  const answered = new Float64Array(requests)
  const failures: string[] = []
  const pending: Promise<void>[] = []
  const send = async (number: number) => {
    const failure = await post(pool, '/v1/notifications', itemOf(number, channels))
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
  await pool.destroy()
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
      await deliver({ id: String(number), channel: 'SMS', recipient: `+${String(number).padStart(10, '0')}`, content })
    }
  }
  await Promise.all(Array.from({ length: connections }, lane))
  return { accepted: requests, failures: [], startedMs, endedMs: sharedNowMs(), p99Ms: 0 }
}

obey({ closed: runClosed, open: runOpen, bare: runBare })
