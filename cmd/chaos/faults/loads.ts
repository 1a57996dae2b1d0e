import { setTimeout as delay } from 'node:timers/promises'
import type { Load } from '../load.ts'
import { type ChannelName, channels, recipientFor } from '../load-items.ts'
import type { World } from '../world.ts'
import { type Fault, type Heal, nothing } from './fault.ts'

const group = 'load'
const calm = { share: 0, scripts: ['200'] }
const batch = 1_000
const watched: readonly ChannelName[] = ['SMS', 'EMAIL', 'PUSH']
/** Low enough that the rig and the engine on two cores can offer three times of it. */
const limitForOverload = 12
const overloadFactor = 3
const overloadMs = 60_000
const limitForPriorities = 40
/** Of each channel and priority. */
const waitingOfEach = 150

/** Too much at once. */
export const loadFaults: readonly Fault[] = [
  {
    name: 'calm',
    group,
    about: 'nothing, for 15 s: then the metrics have to agree with the database',
    holdMs: 15_000,
    graceful: true,
    inject: () => Promise.resolve(nothing),
  },
  {
    name: 'overload',
    group,
    about: 'as many requests as go, on eight times as many lanes, for 20 s',
    holdMs: 20_000,
    inject: ({ load }) => offer(load, 0),
  },
  {
    name: 'overload-threefold',
    group,
    about: `for 60 s three times of what a limit of ${limitForOverload}/s for each channel lets through`,
    alone: true,
    holdMs: overloadMs,
    inject: overloadThreefold,
  },
  {
    name: 'backlog',
    group,
    about: '10,000 notifications fall due within one second',
    holdMs: 1_000,
    async inject({ load }) {
      await schedule(load, 10_000, 15_000)
      return nothing
    },
  },
  {
    name: 'backlog-of-100000',
    group,
    about: '100,000 notifications wait while every engine is away',
    alone: true,
    holdMs: 1_000,
    async inject(world) {
      const dueInMs = 120_000
      const dueAtMs = performance.now() + dueInMs
      await schedule(world.load, 100_000, dueInMs)
      await Promise.all(world.replicas.map((replica) => replica.terminate()))
      await delay(Math.max(0, dueAtMs - performance.now()))
      return () => world.revive()
    },
  },
  {
    name: 'priorities',
    group,
    about: `with a limit of ${limitForPriorities}/s, 150 of each channel and priority wait at once: high goes first, low moves`,
    alone: true,
    holdMs: 15_000,
    inject: waitOfEach,
  },
]

/** On more lanes than usual, until it is healed. @param perSecond 0 = as many as go. */
async function offer(load: Load, perSecond: number): Promise<Heal> {
  const { pace } = load
  await load.stop()
  load.start({ lanes: 48, perSecond })
  return async () => {
    await load.stop()
    load.start(pace)
  }
}

async function overloadThreefold(world: World): Promise<Heal> {
  const { load } = world
  await restart(world, limitForOverload)
  const perSecond = limitForOverload * channels.length
  const acceptedBefore = load.counts.accepted
  const back = await offer(load, perSecond * overloadFactor)
  return async () => {
    const factor = (load.counts.accepted - acceptedBefore) / ((perSecond * overloadMs) / 1_000)
    world.remarks.push(`accepted was ${factor.toFixed(1)} times of what could be sent`)
    await back()
    await restart(world, world.limit)
  }
}

async function schedule(load: Load, count: number, inMs: number): Promise<void> {
  const scheduledAt = new Date(Date.now() + inMs).toISOString()
  for (let made = 0; made < count; made += batch) {
    await load.send(Array.from({ length: batch }, () => ({ ...load.make(calm), scheduledAt })))
  }
}

async function waitOfEach(world: World): Promise<Heal> {
  const { load, evidence } = world
  await load.stop()
  await restart(world, limitForPriorities)
  // Low comes first, so that only its priority can hold it back.
  for (const priority of ['LOW', 'NORMAL', 'HIGH']) {
    const items = watched.flatMap((channel) =>
      Array.from({ length: waitingOfEach }, () => {
        const item = load.makeDue()
        return { ...item, channel, priority, recipient: recipientFor(channel, item.idempotencyKey), tags: [] }
      }),
    )
    await load.send(items)
  }
  const over = evidence.watchPriorities()
  return async () => {
    over()
    await restart(world, world.limit)
    load.start()
  }
}

async function restart({ replicas }: World, limit: number): Promise<void> {
  await Promise.all(replicas.map((replica) => replica.terminate()))
  await Promise.all(replicas.map((replica) => replica.start({ RATE_LIMIT_PER_SEC: String(limit) })))
  await Promise.all(replicas.map((replica) => replica.engine.untilReady()))
}
