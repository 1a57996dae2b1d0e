import type { Ground } from '../ground.ts'
import type { BenchSink } from '../sink.ts'

export interface OpenOptions {
  readonly ground: Ground
  readonly sink: BenchSink
  /** Sends under way at once, in all processes together. */
  readonly concurrency: number
  /** Names the turn in files. */
  readonly turn: string
}

/** A service that runs: the engine or a peer, behind the same routes. */
export interface Running {
  /** Of each of its processes. */
  readonly urls: readonly string[]
  readonly pids: readonly number[]
  /** Notifications accepted and not settled. */
  unfinished(): Promise<number>
  /** @throws Error when not exactly `count` notifications were delivered and settled as such. */
  check?(count: number): Promise<void>
  stop(): Promise<void>
}

/** The engine in another form; takes part only where a scenario asks for it. */
export const variants = {
  'engine ×2': { replicas: 2 },
  'engine ×4': { replicas: 4 },
  embedded: { embedded: true },
  connector: { connector: true },
} as const

export function isVariant(name: string): boolean {
  return name in variants
}

export interface Contender {
  readonly name: string
  readonly kind: 'engine' | 'variant' | 'peer'
  /** With a clean ground; ready when it resolves. */
  open(options: OpenOptions): Promise<Running>
}
