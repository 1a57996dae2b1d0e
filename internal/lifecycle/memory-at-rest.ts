import { Session } from 'node:inspector/promises'
import type { Clock } from '../port/clock.ts'
import type { Component } from './component.ts'
import { makePoller } from './poller.ts'

export interface MemoryAtRestDeps {
  readonly clock: Pick<Clock, 'sleep' | 'monotonicMs'>
  /** Processor time of this process so far, in milliseconds. */
  readonly cpuMs: () => number
  readonly collect: () => Promise<void>
  readonly onError: (error: unknown) => void
}

const lookEveryMs = 10_000
/** Share of one processor below which a process counts as at rest; an idle one takes 1 %. */
const restShare = 0.03

/**
 * Gives memory back to the system once after each time of work. V8 keeps what it took under load (some 200 MiB) until a full
 * collection, and a process without work never comes to one. It takes some 50 ms, in which nothing else is done, 10 s
 * or more after the work has ended.
 */
export function makeMemoryAtRest({ clock, cpuMs, collect, onError }: MemoryAtRestDeps): Component {
  let looked: ReturnType<typeof sample> | null = null
  let hasWorked = false

  const sample = () => ({ atMs: clock.monotonicMs(), cpuMs: cpuMs() })

  async function look(): Promise<void> {
    const now = sample()
    const isAtRest = looked !== null && now.cpuMs - looked.cpuMs < restShare * (now.atMs - looked.atMs)
    const isDue = isAtRest && hasWorked
    hasWorked = !isAtRest
    try {
      if (isDue) await collect()
    } finally {
      looked = sample()
    }
  }

  return makePoller('memory at rest', lookEveryMs, clock, look, onError)
}

export function processCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/** A full collection that also gives back what it frees; by the inspector, the one public way to it. */
export async function collectGarbage(): Promise<void> {
  const session = new Session()
  session.connect()
  try {
    await session.post('HeapProfiler.collectGarbage')
  } finally {
    session.disconnect()
  }
}
