import { setTimeout as delay } from 'node:timers/promises'
import { type Fault, servicesOnly } from './fault.ts'

const names = ['postgres', 'rabbitmq', 'redis'] as const

/** Engines start while a dependency is away. It comes later; the engine must not need a second start. */
export const startFaults: readonly Fault[] = names.map((name) => ({
  name: `start-without-${name}`,
  group: 'start',
  about: `every engine starts while ${name} is away`,
  profiles: servicesOnly,
  disturbs: [name],
  holdMs: 3_000,
  async inject(world) {
    await Promise.all(world.replicas.map((replica) => replica.terminate()))
    await world.servers[name].end(name === 'postgres' ? 'SIGINT' : 'SIGTERM')
    for (const replica of world.replicas) replica.launch()
    if (name !== 'postgres') await Promise.all(world.replicas.map((replica) => replica.engine.untilAccepting()))
    await delay(500)
    return () => world.servers[name].start()
  },
}))
