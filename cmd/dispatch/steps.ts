import type { Component } from '../../internal/lifecycle/component.ts'

/** A component that only has something to do at the start. */
export function startStep(name: string, start: () => Promise<void>): Component {
  return { name, start, stop: () => Promise.resolve() }
}

/** A component that only has something to do at the stop. */
export function stopStep(name: string, stop: () => Promise<void>): Component {
  return { name, start: () => Promise.resolve(), stop }
}
