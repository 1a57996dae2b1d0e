import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../../../internal/testkit/random.ts'
import { leaseMs, type World } from '../world.ts'
import { failpoint, reviveWithout, withoutFailpoints } from './failpoints.ts'
import { type Fault, nothing, servicesOnly } from './fault.ts'

const group = 'excused'
const mark = 'HELD'
const marked = 24
/** Between the target's answer and the moment when the engine goes on: then it is caught. */
const heldMs = 1_500
const arrivesWithinMs = 10_000
/** Sweep, back-off and another delivery by the others. */
const pastLeaseMs = leaseMs + 6_000
const common = { group, alone: true, skip: withoutFailpoints, holdMs: pastLeaseMs } as const

/** The duplicates that hardly ever come by chance: each is brought about, and must have its excuse. */
export const excusedFaults: readonly Fault[] = [
  {
    ...common,
    name: 'halted-after-answer',
    about: 'SIGSTOP past the lease of an engine whose targets have just answered: D3',
    wants: 'D3',
    profiles: servicesOnly,
    replicasMin: 2,
    async inject(world, random) {
      if (!(await untilAnswered(world, random))) return nothing
      const replica = random.pick(world.replicas)
      const over = world.evidence.disturb('process', 'SIGSTOP', replica.pid)
      replica.engine.signal('SIGSTOP')
      return async () => {
        replica.engine.signal('SIGCONT')
        await delay(200) // it has to notice
        over()
        await goOn(world)
      }
    },
  },
  {
    ...common,
    name: 'one-replica-without-postgres-after-answer',
    about: 'an engine whose targets have just answered loses PostgreSQL past the lease: D4',
    wants: 'D4',
    profiles: servicesOnly,
    replicasMin: 2,
    async inject(world, random) {
      if (!(await untilAnswered(world, random))) return nothing
      const replica = random.pick(world.replicas)
      const over = world.evidence.disturb('postgres', 'cut off from postgres', replica.pid)
      for (const proxy of replica.links.postgres ?? []) proxy.close()
      return async () => {
        for (const proxy of replica.links.postgres ?? []) proxy.pass()
        over()
        await goOn(world)
      }
    },
  },
  {
    ...common,
    name: 'postgres-away-past-lease',
    about: 'targets have just answered, and PostgreSQL is away for every engine until the leases are over',
    profiles: servicesOnly,
    disturbs: ['postgres'],
    async inject(world, random) {
      await untilAnswered(world, random)
      await world.servers.postgres.end('SIGQUIT')
      return async () => {
        await world.servers.postgres.start()
        await goOn(world)
      }
    },
  },
]

/** Engines that hold on after an answer, and deliveries that were just answered. @returns whether there are any. */
async function untilAnswered(world: World, random: Random): Promise<boolean> {
  for (const replica of world.replicas) {
    await replica.terminate()
    await replica.start(failpoint(`send.afterAnswer=delay:${heldMs}?content=${mark}`, random))
    await replica.engine.untilReady()
  }
  const items = Array.from({ length: marked }, () => world.load.makeDue())
  const arrived = world.arrival(mark, arrivesWithinMs)
  await world.load.send(items.map((item) => ({ ...item, content: `${item.content} ${mark}` })))
  const isIn = await arrived
  if (!isIn) world.wrong.push({ invariant: 0, text: 'the rig could not catch a delivery that was just answered' })
  await delay(heldMs / 3) // more of them
  return isIn
}

async function goOn(world: World): Promise<void> {
  await Promise.all(world.replicas.map((replica) => replica.terminate()))
  await reviveWithout(world)
}
