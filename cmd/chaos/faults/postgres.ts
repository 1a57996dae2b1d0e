import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { openAdmin } from '../../../internal/testkit/database.ts'
import type { World } from '../world.ts'
import { type Fault, nothing, servicesOnly } from './fault.ts'

const group = 'postgres'
const profiles = servicesOnly
const disturbs = ['postgres'] as const
const engines = "application_name LIKE 'dispatch-engine%'"

/** What happens to the database. */
export const postgresFaults: readonly Fault[] = [
  {
    name: 'postgres-restart-fast',
    group,
    about: 'PostgreSQL is restarted, connections are ended in order (fast shutdown)',
    profiles,
    disturbs,
    holdMs: 500,
    async inject({ servers }) {
      await servers.postgres.end('SIGINT')
      return () => servers.postgres.start()
    },
  },
  {
    name: 'postgres-restart-immediate',
    group,
    about: 'PostgreSQL is restarted without finishing anything (immediate shutdown)',
    profiles,
    disturbs,
    holdMs: 500,
    async inject({ servers }) {
      await servers.postgres.end('SIGQUIT')
      return () => servers.postgres.start()
    },
  },
  {
    name: 'postgres-kill9',
    group,
    about: 'kill -9 of every process of PostgreSQL, then crash recovery',
    profiles,
    disturbs,
    holdMs: 1_000,
    async inject({ servers }) {
      await servers.postgres.kill9()
      return () => servers.postgres.start()
    },
  },
  {
    name: 'postgres-away',
    group,
    about: 'PostgreSQL is away for 12 s',
    profiles,
    disturbs,
    holdMs: 12_000,
    async inject({ servers }) {
      await servers.postgres.end('SIGINT')
      return () => servers.postgres.start()
    },
  },
  {
    name: 'postgres-halted',
    group,
    about: 'SIGSTOP of PostgreSQL for 6 s: connections stand, nothing answers',
    profiles,
    disturbs,
    holdMs: 6_000,
    async inject({ servers }) {
      servers.postgres.signal('SIGSTOP')
      return async () => servers.postgres.signal('SIGCONT')
    },
  },
  {
    name: 'postgres-backends-terminated',
    group,
    about: 'all connections of the engines are ended, five times',
    disturbs,
    holdMs: 0,
    async inject(world) {
      for (let round = 0; round < 5; round++) {
        await terminate(world)
        await delay(200)
      }
      return nothing
    },
  },
  {
    name: 'postgres-connections-exhausted',
    group,
    about: 'no connection is left for the engines for 5 s',
    profiles,
    disturbs,
    holdMs: 5_000,
    inject: exhaust,
  },
  {
    name: 'postgres-lock',
    group,
    about: 'somebody holds a lock on the table for 10 s',
    disturbs,
    holdMs: 10_000,
    async inject(world) {
      const admin = openAdmin(await world.ground.databaseUrl(), world.ground.schema)
      const release = Promise.withResolvers<void>()
      const locked = Promise.withResolvers<void>()
      const holding = admin.begin(async (sql) => {
        await sql.unsafe('LOCK TABLE notifications IN ACCESS EXCLUSIVE MODE')
        locked.resolve()
        await release.promise
      })
      holding.catch(locked.reject)
      await locked.promise
      return async () => {
        release.resolve()
        await holding
        await admin.end({ timeout: 2 })
      }
    },
  },
]

async function terminate({ history }: World): Promise<void> {
  await history.run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${engines}`)
}

/** Fills every slot and ends the engines' connections, until no engine holds one. */
async function exhaust(world: World) {
  const held: postgres.Sql[] = []
  const url = await world.ground.databaseUrl()
  const keeper = openAdmin(url, world.ground.schema)
  await keeper.unsafe('SELECT 1')
  for (let round = 0; round < 3; round++) {
    await keeper.unsafe(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${engines}`)
    while (held.length < 400) {
      const batch = Array.from({ length: 20 }, () => postgres(url, { max: 1, connect_timeout: 3, idle_timeout: 0 }))
      held.push(...batch)
      const taken = await Promise.allSettled(batch.map((sql) => sql.unsafe('SELECT 1')))
      if (taken.some((one) => one.status === 'rejected')) break
    }
  }
  return async () => {
    await Promise.all([keeper, ...held].map((sql) => sql.end({ timeout: 1 })))
  }
}
