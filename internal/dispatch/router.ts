import { type Choice, chooseOutlets, type OutletStanding } from '../domain/choose-outlet.ts'
import type { ConnectionId } from '../domain/connection.ts'
import { configLookAgainMs, type Decision, type SendResult } from '../domain/outcome.ts'
import { waitInPlaceMaxMs } from '../domain/protocol.ts'
import type { RetryPolicy } from '../domain/retry-policy.ts'
import type { Clock } from '../port/clock.ts'
import type { Claimed } from '../port/notification-store.ts'
import type { Outlets } from '../port/outlet.ts'
import { type BoardingDeps, makeBoarding, type Refused, type Taken } from './boarding.ts'
import { type ConcludeDeps, type Concluded, makeConclude, type Trip, type Way } from './conclude.ts'
import type { ConnectionHealth } from './connection-health.ts'
import { PaceLine } from './pace-line.ts'
import { bugInOutlet } from './try-result.ts'

export interface RouterDeps extends ConcludeDeps, Omit<BoardingDeps, 'line'> {
  readonly outlets: Outlets
  readonly health: ConnectionHealth
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  /** Names a recipient of a connection without showing who it is. */
  readonly recipientKey: (connection: ConnectionId, recipient: string) => string
}

export interface RouterSettings {
  readonly jobTimeoutMs: number
  readonly retry: RetryPolicy
  /** Messages that wait inside the process for a permit of one connection; each holds a slot of its channel. */
  readonly waitersMax: number
}

/** One send over the connection that was chosen, its permits taken. Must be run: it gives back what was taken. */
export interface Sending {
  readonly connection: ConnectionId
  readonly timeoutMs: number
  /** Never rejects but for a bug. */
  run(signal: AbortSignal): Promise<Concluded>
}

export type Begun =
  | { readonly kind: 'go'; readonly sending: Sending }
  /** Nothing can take it now, so no attempt is made. */
  | { readonly kind: 'hold'; readonly delayMs: number }
  /** It ends without a try. */
  | { readonly kind: 'end'; readonly result: SendResult; readonly decision: Decision }

/** Finds the connection for each message: by its route, by who can send now, and by what this message has tried. */
export interface Router {
  /** Null: neither a route nor a connection is named for it, so the plain provider serves. */
  wayFor(message: Claimed): Way | null
  /** @param lastStartMs on the monotonic clock: it waits for no permit beyond. Never rejects but for a bug. */
  begin(message: Claimed, way: Way, lastStartMs: number): Promise<Begun>
}

const heldMs = { min: 250, max: configLookAgainMs } as const
/** By then a process has heard of what another one was told: a new connection, or one that was resumed. */
const heardOfMs = 2_000

export function makeRouter(deps: RouterDeps, settings: RouterSettings): Router {
  const line = new PaceLine(deps.clock, settings.waitersMax)
  const boardFirst = makeBoarding({ ...deps, line })
  const conclude = makeConclude(deps, settings.retry)
  const makeTrip = tripMaker(deps, settings.jobTimeoutMs)

  async function begin(message: Claimed, way: Way, lastStartMs: number): Promise<Begun> {
    const trip = makeTrip(message, way)
    const hereUntilMs = Math.min(deps.clock.monotonicMs() + waitInPlaceMaxMs, lastStartMs)
    let queuedFor: ConnectionId | null = null
    for (;;) {
      if ((trip.leftMs() ?? 1) <= 0) return outOfTime(way)
      const refreshed = deps.health.refresh(trip.connections)
      if (refreshed !== null) await refreshed
      const choice = choose(deps, trip)
      if (choice.kind === 'park') return parked
      if (choice.kind === 'wait') return hold(trip, choice.ms ?? nobodyKnowsMs(message))
      const got = await boardFirst(trip, choice.order, queuedFor)
      if (got?.kind === 'taken') return { kind: 'go', sending: sendingOf(trip, got) }
      const othersInMs = choice.othersInMs ?? heldMs.max
      if (got === null) return hold(trip, choice.othersInMs ?? nobodyKnowsMs(message))
      const place = placeOf(got, hereUntilMs)
      if (place.kind === 'later') return hold(trip, Math.min(place.ms, othersInMs))
      await line.wait(got.outlet.id, place.ms)
      queuedFor = got.outlet.id
    }
  }

  function placeOf({ outlet, waitMs, inTurn }: Refused, hereUntilMs: number) {
    if (!inTurn) return { kind: 'later', ms: waitMs } as const
    return line.turn(outlet.id, outlet.buckets, waitMs, hereUntilMs)
  }

  function sendingOf(trip: Trip, { outlet, slot, probes }: Taken): Sending {
    return {
      connection: outlet.id,
      timeoutMs: trip.timeoutMs,
      async run(signal) {
        const send = async () => outlet.send(trip.message, signal)
        const tried = await send().catch(bugInOutlet)
        if (slot !== null) deps.buckets.giveBack(slot)
        return conclude(trip, outlet, tried, probes)
      },
    }
  }

  return { wayFor: (message) => wayOf(deps.outlets, message), begin }
}

/** Over which connections a notification would go; null = over the plain provider. */
export function wayOf(outlets: Pick<Outlets, 'routeFor'>, message: Addressed): Way | null {
  const { provider } = message
  if (provider === null) return outlets.routeFor(message)
  const tier = { connections: [{ connection: provider, weight: 1 }] }
  return { tiers: [tier], tryTimeoutMs: null, totalTimeoutMs: null }
}

/** A route stays the same object for many messages. */
const knownConnections = new WeakMap<Way, readonly ConnectionId[]>()

/** Of all tiers, in their order. */
export function connectionsOf(way: Way): readonly ConnectionId[] {
  const known = knownConnections.get(way)
  if (known !== undefined) return known
  const found = way.tiers.flatMap((tier) => tier.connections.map(({ connection }) => connection))
  knownConnections.set(way, found)
  return found
}

/** What of a notification decides over which connections it goes. */
export type Addressed = Pick<Claimed, 'channel' | 'tags' | 'provider'>

type TripDeps = Pick<RouterDeps, 'outlets' | 'health' | 'clock' | 'recipientKey'>

function tripMaker({ outlets, health, clock, recipientKey }: TripDeps, jobTimeoutMs: number) {
  return (message: Claimed, way: Way): Trip => {
    const startedMs = clock.monotonicMs()
    const { dueForMs, recipient } = message
    const totalMs = dueForMs === null || way.totalTimeoutMs === null ? null : way.totalTimeoutMs - dueForMs
    const keyOf = (id: ConnectionId) => recipientKey(id, recipient)
    const connections = connectionsOf(way)
    const standingOf = (id: ConnectionId): OutletStanding | null => {
      const outlet = outlets.outlet(id)
      if (outlet === null) return null
      const { usableInMs } = health.standing(id, () => keyOf(id))
      return { usableInMs, repeatable: outlet.repeatable }
    }
    return {
      message,
      way,
      connections,
      timeoutMs: Math.min(way.tryTimeoutMs ?? jobTimeoutMs, jobTimeoutMs),
      recipientKey: keyOf,
      standingOf,
      leftMs: () => (totalMs === null ? null : totalMs - (clock.monotonicMs() - startedMs)),
      hasOther: (than) => connections.some((id) => id !== than && standingOf(id)?.usableInMs === 0),
    }
  }
}

function choose({ random }: Pick<RouterDeps, 'random'>, { message, way, standingOf }: Trip): Choice {
  const { tried, unknownOver } = message
  return chooseOutlets({ tiers: way.tiers, tried, unknownOver, standingOf, random })
}

/** Until it is looked at again when no connection is there that could tell: soon at first, then ever less often. */
function nobodyKnowsMs({ dueForMs }: Claimed): number {
  return dueForMs === null ? heldMs.max : Math.max(dueForMs, heardOfMs)
}

function hold(trip: Trip, ms: number): Begun {
  const delayMs = Math.min(Math.max(Math.ceil(ms), heldMs.min), heldMs.max)
  const leftMs = trip.leftMs()
  return { kind: 'hold', delayMs: leftMs === null ? delayMs : Math.min(delayMs, Math.max(Math.ceil(leftMs), 1)) }
}

function outOfTime({ totalTimeoutMs }: Way): Begun {
  const message = `no connection took it within the ${totalTimeoutMs} ms of its route`
  const result = { kind: 'permanent', code: 'route_timeout', message, ...noAnswer } as const
  return { kind: 'end', result, decision: { kind: 'failed', reason: 'expired' } }
}

const noAnswer = { statusCode: null, responseExcerpt: null } as const

const parked: Begun = {
  kind: 'end',
  result: {
    kind: 'unknown',
    repeatable: false,
    code: 'outcome_unknown',
    message: 'an earlier attempt may have arrived, and its connection cannot drop a repeat',
    ...noAnswer,
  },
  decision: { kind: 'failed', reason: 'parked' },
}
