import { setTimeout as delay } from 'node:timers/promises'
import { leaseMs } from '../world.ts'
import { type Fault, nothing } from './fault.ts'

const group = 'process'

/** What happens to engine processes themselves. */
export const processFaults: readonly Fault[] = [
  {
    name: 'kill9',
    group,
    about: 'kill -9 of an engine at a random moment, then a new start',
    holdMs: 0,
    async inject(world, random) {
      await random.pick(world.replicas).kill9()
      return () => world.revive()
    },
  },
  {
    name: 'kill9-all',
    group,
    about: 'kill -9 of every engine at once',
    replicasMin: 2,
    holdMs: 0,
    async inject(world) {
      await Promise.all(world.replicas.map((replica) => replica.kill9()))
      return () => world.revive()
    },
  },
  {
    name: 'sigterm',
    group,
    about: 'SIGTERM to an engine under load, then a new start',
    holdMs: 0,
    graceful: true,
    async inject(world, random) {
      const replica = random.pick(world.replicas)
      const inOrder = await replica.terminate()
      if (!inOrder) world.wrong.push({ invariant: 0, text: `a stop was not in order:\n${replica.engine.lastLines}` })
      return () => world.revive()
    },
  },
  {
    name: 'sigterm-then-kill9',
    group,
    about: 'kill -9 in the middle of an orderly stop',
    holdMs: 0,
    async inject(world, random) {
      const replica = random.pick(world.replicas)
      const stopping = replica.terminate()
      await delay(random.between(0, 300))
      await replica.kill9()
      await stopping
      return () => world.revive()
    },
  },
  {
    name: 'pause',
    group,
    about: 'SIGSTOP for 3 s, then SIGCONT',
    holdMs: 3_000,
    inject: (world, random) => pause(world, random.pick(world.replicas)),
  },
  {
    name: 'pause-past-lease',
    group,
    about: 'SIGSTOP until after the lease, then SIGCONT',
    holdMs: leaseMs + 3_000,
    inject: (world, random) => pause(world, random.pick(world.replicas)),
  },
  {
    name: 'rolling-restart',
    group,
    about: 'every engine is stopped in order and started again, one after another',
    replicasMin: 2,
    holdMs: 0,
    graceful: true,
    async inject(world) {
      for (const replica of world.replicas) {
        const inOrder = await replica.terminate()
        if (!inOrder) world.wrong.push({ invariant: 0, text: `a stop was not in order:\n${replica.engine.lastLines}` })
        await replica.start()
        await replica.engine.untilReady()
      }
      return nothing
    },
  },
]

async function pause(
  world: Parameters<Fault['inject']>[0],
  replica: Parameters<Fault['inject']>[0]['replicas'][number],
) {
  const over = world.evidence.disturb('process', 'SIGSTOP', replica.pid)
  replica.engine.signal('SIGSTOP')
  return async () => {
    replica.engine.signal('SIGCONT')
    await delay(200) // it has to notice
    over()
  }
}
