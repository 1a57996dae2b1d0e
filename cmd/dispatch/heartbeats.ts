import type { Component } from '../../internal/lifecycle/component.ts'
import { makePoller } from '../../internal/lifecycle/poller.ts'
import type { Clock } from '../../internal/port/clock.ts'
import type { HeartbeatStore } from '../../internal/port/health.ts'
import type { Logger } from '../../internal/port/telemetry.ts'
import { stopStep } from './steps.ts'
import { warnOf } from './warn.ts'

export interface Beating {
  readonly id: string
  readonly role: string
  readonly inFlight: () => number
  /** Told how many processes share the limits, this one included. */
  readonly shareAmong: (replicas: number) => void
}

export interface HeartbeatDeps {
  readonly heartbeat: Pick<HeartbeatStore, 'beat' | 'findWorkers' | 'leave'>
  readonly clock: Pick<Clock, 'sleep'>
  readonly logger: Logger
}

const heartbeatMs = 10_000
/** A process not heard of for this long counts no more. */
const heartbeatLivesSeconds = 30
/**
 * Between the first beat and the first count: of processes that start together each would else find the earlier ones only,
 * and without Redis they would take more than the limits for one beat.
 */
const firstCountMs = 1_500

/** Says every 10 s that the process lives, and takes its leave at a graceful stop. */
export function heartbeats(
  { heartbeat, clock, logger }: HeartbeatDeps,
  { id, role, inFlight, shareAmong }: Beating,
): readonly Component[] {
  let isFirst = true
  const beat = async (signal: AbortSignal) => {
    await heartbeat.beat({ id, role, inFlight: inFlight() })
    if (isFirst) await clock.sleep(firstCountMs, signal)
    isFirst = false
    shareAmong((await heartbeat.findWorkers(heartbeatLivesSeconds)).length)
  }
  return [
    // Without PostgreSQL the row stays and ages out: no reason for an unclean stop.
    stopStep('heartbeat row', () => heartbeat.leave(id).catch(warnOf('heartbeat row was not removed', logger))),
    makePoller('heartbeat', heartbeatMs, clock, beat, warnOf('heartbeat was not written', logger)),
  ]
}
