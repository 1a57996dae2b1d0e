import { isStopFailpoint } from '../domain/failpoint.ts'
import type { Component } from '../lifecycle/component.ts'
import type { Failpoints } from './failpoints.ts'

/** A component whose stop breaks on purpose: `drop` leaves it running, `throw` fails the stop. One passage, however often it is stopped. */
export function failingStop(component: Component, failpoints: Failpoints): Component {
  const point = `stop.${component.name}`
  if (!isStopFailpoint(point)) return component
  let stopping: Promise<void> | null = null
  const stop = async () => {
    if ((await failpoints.pass(point)) === 'go on') await component.stop()
  }
  return {
    name: component.name,
    start: () => component.start(),
    stop() {
      stopping ??= stop()
      return stopping
    },
  }
}
