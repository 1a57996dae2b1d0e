import type { Channel } from '../../../internal/domain/notification.ts'

/** Notifications with this tag go over connections, all others over the plain webhook. */
export const viaTag = 'via'

/** A connection of the engines, as the checker knows it. */
export interface PlannedConnection {
  readonly id: string
  /** Its receiver drops a repeat under the same key. */
  readonly repeatable: boolean
  /** Messages that it may be sent, over all processes; null = any number. */
  readonly rate: { readonly perSecond: number; readonly burst: number } | null
  /** Its provider cannot tell how long to stay away. */
  readonly tellsNoWait?: true
}

export const plannedConnections = [
  { id: 'hook-main', repeatable: true, rate: null },
  { id: 'hook-spare', repeatable: true, rate: null },
  // Kept in the database, with its secret sealed; the others stand in a file.
  { id: 'hook-api', repeatable: true, rate: null },
  { id: 'pager', repeatable: true, rate: { perSecond: 8, burst: 4 } },
  { id: 'twilio', repeatable: false, rate: { perSecond: 8, burst: 3 } },
  { id: 'ntfy', repeatable: false, rate: { perSecond: 8, burst: 1 } },
  { id: 'slack', repeatable: false, rate: { perSecond: 5, burst: 5 } },
  { id: 'mail', repeatable: false, rate: null, tellsNoWait: true },
] as const satisfies readonly PlannedConnection[]

export type ConnectionName = (typeof plannedConnections)[number]['id']

/** Each with a tier to fail over to; the one of incidents is kept in the database, the others in a file. */
export const plannedRoutes: Readonly<Record<Channel, readonly (readonly ConnectionName[])[]>> = {
  SMS: [['twilio'], ['hook-main']],
  EMAIL: [['mail'], ['hook-spare']],
  PUSH: [['ntfy'], ['hook-spare']],
  CHAT: [['slack'], ['hook-main']],
  WEBHOOK: [['hook-main', 'hook-spare']],
  INCIDENT: [['pager'], ['hook-api']],
}
