import path from 'node:path'
import { z } from 'zod'
import { oneChannel } from './items.ts'
import { Remote } from './remote.ts'

const loopResult = z.object({
  accepted: z.number(),
  failures: z.array(z.string()),
  startedMs: z.number(),
  endedMs: z.number(),
  p99Ms: z.number(),
})
const openResult = z.object({
  scheduled: z.instanceof(Float64Array),
  answered: z.instanceof(Float64Array),
  failures: z.array(z.string()),
  endedMs: z.number(),
})

/** Times by the shared clock. */
export type LoopResult = z.infer<typeof loopResult>
export type OpenResult = z.infer<typeof openResult>

export interface ClosedLoop {
  /** Of the processes of one service, which share the connections evenly. */
  readonly urls: readonly string[]
  readonly connections: number
  /** At most so many requests (null = no limit) and about so much time. */
  readonly requests: number | null
  readonly withinMs: number
  /** Notifications in each request. */
  readonly items: number
}

export interface OpenLoop {
  readonly urls: readonly string[]
  readonly connections: number
  readonly perSecond: number
  readonly requests: number
  /** In turns; default: one channel, as everybody else has. */
  readonly channels?: readonly string[]
}

/** The process that sends requests. Notifications are numbered from 0 in each run; the recipient ends in the number. */
export class LoadGenerator {
  readonly #remote = new Remote('load generator', path.join(import.meta.dirname, 'load-process.ts'))

  get pid(): number {
    return this.#remote.pid
  }

  /** @throws Error when a request was not answered with 202: then there is nothing to measure. */
  async closed(loop: ClosedLoop): Promise<LoopResult> {
    const result = await this.#remote.call('closed', loop, loopResult)
    return allAccepted(result)
  }

  /** @throws Error when a request was not answered with 202. */
  async open(loop: OpenLoop): Promise<OpenResult> {
    const result = await this.#remote.call('open', { channels: [oneChannel], ...loop }, openResult)
    return allAccepted(result)
  }

  /** Sends straight to the target. */
  bare(loop: { readonly url: string; readonly connections: number; readonly requests: number }): Promise<LoopResult> {
    return this.#remote.call('bare', loop, loopResult)
  }

  stop(): Promise<void> {
    return this.#remote.stop()
  }
}

function allAccepted<T extends { readonly failures: readonly string[] }>(result: T): T {
  if (result.failures.length > 0) throw new Error(`requests were not accepted: ${result.failures.join('; ')}`)
  return result
}
