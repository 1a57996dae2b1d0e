import { Redis } from 'ioredis'
import type { World } from '../world.ts'
import { type Fault, nothing, servicesOnly } from './fault.ts'

const group = 'redis'
const profiles = servicesOnly
const disturbs = ['redis'] as const

/** What happens to the shared limits. */
export const redisFaults: readonly Fault[] = [
  {
    name: 'redis-away',
    group,
    about: 'Redis is stopped for 6 s',
    profiles,
    disturbs,
    holdMs: 6_000,
    async inject({ servers }) {
      await servers.redis.end('SIGTERM')
      return () => servers.redis.start()
    },
  },
  {
    name: 'redis-kill9',
    group,
    about: 'kill -9 of Redis, then a new start with nothing in it',
    profiles,
    disturbs,
    holdMs: 1_000,
    async inject({ servers }) {
      await servers.redis.kill9()
      return () => servers.redis.start()
    },
  },
  {
    name: 'redis-halted',
    group,
    about: 'SIGSTOP of Redis for 6 s',
    profiles,
    disturbs,
    holdMs: 6_000,
    async inject({ servers }) {
      servers.redis.signal('SIGSTOP')
      return async () => servers.redis.signal('SIGCONT')
    },
  },
  {
    name: 'redis-flushall',
    group,
    about: 'FLUSHALL, five times',
    profiles,
    holdMs: 0,
    inject: (world) => repeat(world, (redis) => redis.flushall()),
  },
  {
    name: 'redis-script-flush',
    group,
    about: 'SCRIPT FLUSH, five times',
    profiles,
    holdMs: 0,
    inject: (world) => repeat(world, (redis) => redis.script('FLUSH')),
  },
  {
    name: 'redis-out-of-memory',
    group,
    about: 'Redis refuses writes for want of memory, for 5 s',
    profiles,
    disturbs,
    holdMs: 5_000,
    async inject(world) {
      await ask(world, (redis) => redis.config('SET', 'maxmemory', '1'))
      return () => ask(world, (redis) => redis.config('SET', 'maxmemory', '0'))
    },
  },
]

async function repeat(world: World, step: (redis: Redis) => Promise<unknown>) {
  for (let round = 0; round < 5; round++) {
    const over = world.evidence.disturb('redis', 'wiped') // each may cost a burst
    await ask(world, step)
    over()
  }
  return nothing
}

async function ask({ servers }: World, step: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(servers.redis.url, { lazyConnect: true, connectTimeout: 5_000, maxRetriesPerRequest: 1 })
  redis.on('error', () => undefined) // the step rejects with it
  try {
    await redis.connect()
    await step(redis)
  } finally {
    redis.disconnect()
  }
}
