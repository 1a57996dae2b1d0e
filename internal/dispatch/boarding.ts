import type { ConnectionId } from '../domain/connection.ts'
import type { BucketGrant, BucketLimiter, BucketSlot } from '../port/bucket-limiter.ts'
import type { Outlet, Outlets } from '../port/outlet.ts'
import type { Trip } from './conclude.ts'
import type { ConnectionHealth } from './connection-health.ts'
import type { PaceLine } from './pace-line.ts'

export interface BoardingDeps {
  readonly outlets: Pick<Outlets, 'outlet'>
  readonly buckets: Pick<BucketLimiter, 'take' | 'giveBack'>
  readonly health: Pick<ConnectionHealth, 'standing' | 'probe'>
  readonly line: Pick<PaceLine, 'waiting'>
}

export interface Taken {
  readonly kind: 'taken'
  readonly outlet: Outlet
  /** To be given back after the send. */
  readonly slot: BucketSlot | null
  /** Tries a half-open breaker. */
  readonly probes: boolean
}

export interface Refused {
  readonly kind: 'refused'
  readonly outlet: Outlet
  readonly waitMs: number
  /** Everybody waits for the same permits, so everybody needs a turn. */
  readonly inTurn: boolean
}

/** Another process tries the half-open breaker at this moment. */
const probedElsewhereMs = 1_000
/** A crashed process keeps its places among the sends under way, and its try of a breaker, for so long beyond the send's deadline. */
const keptMarginMs = 10_000

/**
 * Asks the connections in order until the buckets and the breaker of one let the message through.
 * @param queuedFor it waited here for a permit of this connection, so it does not stand behind those who wait.
 * @returns the refusal that is over first when none does; null when all are gone meanwhile.
 */
export function makeBoarding({ outlets, buckets, health, line }: BoardingDeps) {
  async function permitFor(trip: Trip, outlet: Outlet, isQueued: boolean): Promise<BucketGrant> {
    const { id: connection } = outlet
    if (!isQueued && line.waiting(connection) > 0) {
      return { kind: 'refused', waitMs: 1, scope: 'connection', degraded: false }
    }
    const rates = outlet.buckets.filter((bucket) => bucket.kind === 'rate')
    return buckets.take({
      connection,
      buckets: outlet.buckets,
      recipientKey: rates.some(({ scope }) => scope === 'recipient') ? trip.recipientKey(connection) : null,
      segments: rates.some(({ cost }) => cost === 'segments') ? outlet.segments(trip.message) : 1,
      holdMs: trip.timeoutMs + keptMarginMs,
    })
  }

  async function board(trip: Trip, outlet: Outlet, isQueued: boolean): Promise<Taken | Refused> {
    const grant = outlet.buckets.length === 0 ? free : await permitFor(trip, outlet, isQueued)
    if (grant.kind === 'refused') {
      return { kind: 'refused', outlet, waitMs: grant.waitMs, inTurn: grant.scope === 'connection' }
    }
    const { slot } = grant
    const probes = health.standing(outlet.id, () => trip.recipientKey(outlet.id)).state === 'half_open'
    if (!probes || (await health.probe(outlet.id, trip.timeoutMs + keptMarginMs))) {
      return { kind: 'taken', outlet, slot, probes }
    }
    if (slot !== null) buckets.giveBack(slot)
    return { kind: 'refused', outlet, waitMs: probedElsewhereMs, inTurn: false }
  }

  return async function boardFirst(
    trip: Trip,
    order: readonly ConnectionId[],
    queuedFor: ConnectionId | null,
  ): Promise<Taken | Refused | null> {
    let first: Refused | null = null
    for (const id of order) {
      const outlet = outlets.outlet(id)
      if (outlet === null) continue
      const got = await board(trip, outlet, queuedFor === id)
      if (got.kind === 'taken') return got
      if (first === null || got.waitMs < first.waitMs) first = got
    }
    return first
  }
}

const free = { kind: 'granted', slot: null } as const satisfies BucketGrant
