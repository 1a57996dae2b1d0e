/**
 * Failpoints: places where a process can be made to break on purpose, for tests of what happens then. The list is
 * closed, so that a misspelt point is an error and not a test that tests nothing.
 */

/** Points whose call carries notifications: they alone can be narrowed to a content. */
export const contentFailpoints = [
  'accept.before',
  'accept.after',
  'claim.after',
  'send.before',
  'send.afterBytes',
  'send.afterAnswer',
  'settle.before',
  'settle.after',
  'lateSuccess.before',
  'release.before',
] as const

const otherFailpoints = [
  'publish.before',
  'publish.confirm',
  'receive',
  'claim.before',
  'ack',
  'defer.before',
  'scan.before',
  'scan.after',
  'sweep.before',
  'sweep.after',
] as const

/** Before each step of the stop; the rest of the name is the component's. */
const stopFailpoints = [
  'stop.pools',
  'stop.database',
  'stop.rabbitmq',
  'stop.redis',
  'stop.left work',
  'stop.heartbeat row',
  'stop.heartbeat',
  'stop.watch rabbitmq',
  'stop.egress',
  'stop.connections',
  'stop.redis link',
  'stop.worker',
  'stop.scan',
  'stop.queue figures',
  'stop.memory at rest',
  'stop.http',
] as const

export const failpointNames = [...contentFailpoints, ...otherFailpoints, ...stopFailpoints] as const
export type FailpointName = (typeof failpointNames)[number]

/**
 * `kill`: the process ends as with kill -9. `throw`: the call fails. `delay`: it goes on later. `drop`: what the call
 * would do is lost, or its answer.
 */
export type FailpointAction =
  | { readonly kind: 'kill' | 'throw' | 'drop' }
  | { readonly kind: 'delay'; readonly delayMs: number }

export const failpointActions = ['kill', 'throw', 'drop', 'delay'] as const satisfies readonly FailpointAction['kind'][]

export interface FailpointRule {
  readonly point: FailpointName
  readonly action: FailpointAction
  /** Only for notifications whose content holds this text; null = any. */
  readonly content: string | null
  /** Chance of each passage, in (0, 1]. */
  readonly probability: number
  /** Only at the n-th passage (from 1) of this process; null = at every one. */
  readonly nth: number | null
}

export function isStopFailpoint(name: string): name is (typeof stopFailpoints)[number] {
  return stopFailpoints.some((one) => one === name)
}
