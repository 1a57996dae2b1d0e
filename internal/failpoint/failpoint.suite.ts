import type { FailpointAction, FailpointName, FailpointRule } from '../domain/failpoint.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { RecordingLogger } from '../testkit/telemetry.ts'
import { Failpoints } from './failpoints.ts'

export type Action = FailpointAction['kind']

export function rule(point: FailpointName, kind: Action, more: Partial<FailpointRule> = {}): FailpointRule {
  const action: FailpointAction = kind === 'delay' ? { kind, delayMs: 200 } : { kind }
  return { point, action, content: null, probability: 1, nth: null, ...more }
}

/** Failpoints whose kill is only counted. */
export function failpointsOf(rules: readonly FailpointRule[], seed = 1) {
  const clock = new ManualClock()
  const logger = new RecordingLogger()
  const killed = { count: 0 }
  const failpoints = new Failpoints({ rules, seed }, { logger, clock, kill: () => void killed.count++ })
  return { failpoints, clock, logger, killed }
}

/** `pending` when it has not settled after every promise that is ready has run. */
export async function stateOf(work: Promise<unknown>): Promise<'pending' | 'resolved' | 'rejected'> {
  const soon = new Promise<'pending'>((resolve) => setImmediate(() => setImmediate(() => resolve('pending'))))
  return Promise.race([
    work.then(
      () => 'resolved' as const,
      () => 'rejected' as const,
    ),
    soon,
  ])
}
