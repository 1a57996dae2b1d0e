import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import type { World } from '../world.ts'
import { type Fault, nothing } from './fault.ts'

const group = 'embedded'
const common = { group, profiles: ['embedded'], disturbs: ['postgres'] } as const

/** The engine looks after the PostgreSQL it runs: whatever ends it, it is there again without a hand. */
function ended(signal: 'SIGKILL' | 'SIGQUIT' | 'SIGINT', name: string, about: string): Fault {
  return {
    ...common,
    name: `embedded-postgres-${name}`,
    about,
    holdMs: 3_000,
    async inject({ ground }) {
      process.kill(await ground.postmaster(), signal)
      return nothing
    },
  }
}

export const embeddedFaults: readonly Fault[] = [
  ended('SIGKILL', 'killed', 'kill -9 of the built-in PostgreSQL'),
  ended('SIGQUIT', 'ended-immediate', 'the built-in PostgreSQL is ended without finishing anything'),
  ended('SIGINT', 'ended-fast', 'the built-in PostgreSQL is ended in order'),
  {
    ...common,
    name: 'embedded-postgres-halted',
    about: 'SIGSTOP of the built-in PostgreSQL and its backends for 6 s',
    holdMs: 6_000,
    async inject({ ground }) {
      const pid = await ground.postmaster()
      // Backends that are born meanwhile are halted by their parent's halt: it does not bear any.
      const all = [pid, ...childrenOf(pid)]
      for (const one of all) send(one, 'SIGSTOP')
      return async () => {
        for (const one of all) send(one, 'SIGCONT')
      }
    },
  },
  {
    ...common,
    name: 'embedded-kill9-with-postgres',
    about: 'kill -9 of the engine and of its PostgreSQL at once, as when the machine goes down',
    holdMs: 0,
    async inject(world) {
      await killBoth(world)
      return () => world.revive()
    },
  },
]

async function killBoth(world: World): Promise<void> {
  const pid = await world.ground.postmaster()
  const children = childrenOf(pid)
  await Promise.all(world.replicas.map((replica) => replica.kill9()))
  for (const one of [pid, ...children]) send(one, 'SIGKILL')
  await delay(100)
}

function childrenOf(pid: number): readonly number[] {
  const out = execFileSync('ps', ['--ppid', String(pid), '-o', 'pid='], { encoding: 'utf8' })
  return out.split(/\s+/).filter(Boolean).map(Number)
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // gone meanwhile
  }
}
