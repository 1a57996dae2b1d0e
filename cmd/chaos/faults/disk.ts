import { setTimeout as delay } from 'node:timers/promises'
import type { ControlledServer } from '../../../internal/testkit/services/controlled-server.ts'
import { untilReady } from '../recovery.ts'
import { obstacleToMount, SmallDisk } from '../small-disk.ts'
import type { World } from '../world.ts'
import { type Fault, servicesOnly } from './fault.ts'

const lookEveryMs = 250
const logFilesMax = 20

function full(name: string, about: string, folder: 'data' | 'data/pg_wal'): Fault {
  return {
    name,
    group: 'postgres',
    about: `${about} is full for 8 s; who looks after PostgreSQL starts it again when it ends`,
    profiles: servicesOnly,
    disturbs: ['postgres'],
    alone: true,
    holdMs: 8_000,
    skip: obstacleToMount,
    async inject(world) {
      const { postgres } = world.servers
      const disk = await SmallDisk.under(postgres, folder)
      await delay(1_000) // under load again
      await disk.fill()
      await useUpLog(world)
      const over = new AbortController()
      const supervising = supervise(postgres, over.signal)
      return async () => {
        tell(world, disk.complaints())
        await disk.free()
        await untilReady(world, performance.now(), 'after the disk had room again')
        over.abort()
        const starts = await supervising
        world.remarks.push(`PostgreSQL was started again ${starts} times while its disk was full`)
        await disk.leave()
      }
    },
  }
}

/** The log goes on in files that are there already: when they are used up, the next one has no room. */
async function useUpLog({ history }: World): Promise<void> {
  try {
    for (let file = 0; file < logFilesMax; file++) {
      await history.run(`SELECT pg_logical_emit_message(false, 'chaos', 'a record, or nothing is switched')`)
      await history.run('SELECT pg_switch_wal()')
    }
  } catch {
    // That is what it was for.
  }
}

function tell({ wrong, remarks }: World, complaints: number): void {
  if (complaints === 0) wrong.push({ invariant: 0, text: 'the rig filled the disk, and PostgreSQL did not notice' })
  else remarks.push(`PostgreSQL found no space ${complaints} times`)
}

/** What systemd does for a server that gave up: it is started again until it stays. @returns how often. */
async function supervise(server: ControlledServer, over: AbortSignal): Promise<number> {
  let starts = 0
  while (!over.aborted) {
    if (!server.isRunning) {
      starts += 1
      await server.start().catch(() => undefined)
    }
    await delay(lookEveryMs)
  }
  return starts
}

export const diskFaults: readonly Fault[] = [
  full('postgres-disk-full', 'the disk of the database', 'data'),
  full('postgres-wal-disk-full', 'the disk of its write-ahead log', 'data/pg_wal'),
]
