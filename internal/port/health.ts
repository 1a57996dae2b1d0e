import type { Lane } from '../domain/notification.ts'

/** Names under which dependencies report, whatever stands behind them. */
export const dependencies = ['postgres', 'redis', 'rabbitmq'] as const
export type Dependency = (typeof dependencies)[number]

/** Brought by every adapter, embedded ones included. */
export interface HealthCheck {
  readonly name: Dependency
  /** Resolves when the dependency can do its work now, rejects with the reason; the caller bounds the time. Never enqueues work. */
  check(signal: AbortSignal): Promise<void>
}

/** A process that works on queues, as `/v1/queue/heartbeat` shows it. */
export interface WorkerBeat {
  readonly id: string
  readonly role: string
  readonly lastSeenAt: Date
  readonly inFlight: number
}

export interface QueueFigures {
  /** Unfinished rows per lane, waiting ones only (ACCEPTED and in the future left out). */
  readonly depth: readonly (Lane & { readonly count: number })[]
  /** Age of the longest overdue row, 0 when nothing is due. */
  readonly oldestDueAgeSeconds: number
  readonly oldestDueAgeSecondsByChannel: Readonly<Partial<Record<Lane['channel'], number>>>
}

export interface HeartbeatStore {
  beat(worker: { readonly id: string; readonly role: string; readonly inFlight: number }): Promise<void>
  /** Workers seen within the last `withinSeconds`, and their age by the database's clock. */
  findWorkers(withinSeconds: number): Promise<readonly (WorkerBeat & { readonly ageSeconds: number })[]>
  /** Forgets this worker at a graceful stop. */
  leave(id: string): Promise<void>
  queueFigures(): Promise<QueueFigures>
}
