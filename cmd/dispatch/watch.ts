import type { Component } from '../../internal/lifecycle/component.ts'
import { makePoller } from '../../internal/lifecycle/poller.ts'
import type { Clock } from '../../internal/port/clock.ts'
import type { HealthCheck } from '../../internal/port/health.ts'

const everyMs = 2_000
const checkMs = 1_000

export interface Watch {
  readonly component: Component
  /** As of the last look, at most some seconds ago. */
  isAway(): boolean
}

/** Keeps looking whether a dependency can do its work. */
export function watch(check: HealthCheck, clock: Clock): Watch {
  let away = false
  const look = async () => {
    const deadline = clock.timeout(checkMs)
    const late = new Promise<never>((_resolve, reject) => {
      deadline.signal.addEventListener('abort', () => reject(deadline.signal.reason), { once: true })
    })
    try {
      await Promise.race([check.check(deadline.signal), late])
      away = false
    } finally {
      deadline.clear()
    }
  }
  const component = makePoller(`watch ${check.name}`, everyMs, clock, look, () => {
    away = true
  })
  return { component, isAway: () => away }
}
