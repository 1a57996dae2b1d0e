import type { Ground } from '../ground.ts'
import type { BenchSink } from '../sink.ts'

export interface OpenOptions {
  readonly ground: Ground
  readonly sink: BenchSink
  /** Sends under way at once. */
  readonly concurrency: number
  /** Names the turn in files. */
  readonly turn: string
}

/** A service that runs: the engine or a peer, behind the same routes. */
export interface Running {
  readonly url: string
  readonly pid: number
  /** Notifications accepted and not settled. */
  unfinished(): Promise<number>
  /** @throws Error when not exactly `count` notifications were delivered and settled as such. */
  check?(count: number): Promise<void>
  stop(): Promise<void>
}

export interface Contender {
  readonly name: string
  /** With a clean ground; ready when it resolves. */
  open(options: OpenOptions): Promise<Running>
}
