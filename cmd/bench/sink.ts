import path from 'node:path'
import { z } from 'zod'
import { Remote } from './remote.ts'

export interface SinkMode {
  /** Note when each of so many numbers was first received; default 0: only count. */
  readonly record?: number
  /** Refuse every odd number so many times; needs `record`. */
  readonly failures?: number
  /** Answer this channel late; needs `record`. */
  readonly slow?: { readonly channel: string; readonly delayMs: number }
}

/** The process that all sends go to. */
export class BenchSink {
  readonly url: string
  readonly #remote: Remote

  private constructor(remote: Remote, url: string) {
    this.#remote = remote
    this.url = url
  }

  static async open(): Promise<BenchSink> {
    const remote = new Remote('sink', path.join(import.meta.dirname, 'sink-process.ts'))
    return new BenchSink(remote, await remote.call('listen', null, z.string()))
  }

  get pid(): number {
    return this.#remote.pid
  }

  /** Forgets everything and behaves like this from now on. */
  async reset({ record = 0, failures = 0, slow }: SinkMode = {}): Promise<void> {
    await this.#remote.call('reset', { record, failures, slow: slow ?? null }, z.unknown())
  }

  /** From now on every channel is answered at once; nothing is forgotten. */
  async hurry(): Promise<void> {
    await this.#remote.call('hurry', null, z.unknown())
  }

  /** Deliveries taken since the last reset. */
  count(): Promise<number> {
    return this.#remote.call('count', null, z.number())
  }

  /** When each number was first received, by the shared clock in milliseconds; 0 = not yet. */
  received(): Promise<Float64Array> {
    return this.#remote.call('received', null, z.instanceof(Float64Array))
  }

  stop(): Promise<void> {
    return this.#remote.stop()
  }
}
