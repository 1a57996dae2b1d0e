import type { ConnectionId } from '../domain/connection.ts'
import type { BrokenLimit, MessageTexts, Outlets } from '../port/outlet.ts'
import { type Addressed, connectionsOf, wayOf } from './router.ts'

/** A limit that a new notification breaks, and the connection that has it. */
export interface RefusedLimit extends BrokenLimit {
  readonly connection: ConnectionId
}

/**
 * What none of the connections that a notification may go over would take as it is; null = at least one takes it, or
 * nobody can tell: one of them is not known here, or is paused. Routes may change before it is sent, so a send looks again.
 */
export type FindRefusedLimit = (message: Addressed & MessageTexts) => RefusedLimit | null

export function makeFindRefusedLimit(outlets: Outlets): FindRefusedLimit {
  return (message) => {
    const way = wayOf(outlets, message)
    let first: RefusedLimit | null = null
    for (const connection of way === null ? [] : connectionsOf(way)) {
      const broken = outlets.outlet(connection)?.brokenLimit(message) ?? null
      if (broken === null) return null
      first ??= { connection, ...broken }
    }
    return first
  }
}
