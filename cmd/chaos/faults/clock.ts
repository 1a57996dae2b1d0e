import { execFile } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Replica } from '../replica.ts'
import type { World } from '../world.ts'
import type { Fault } from './fault.ts'

const group = 'clock'
const libraryName = 'libfaketimeMT.so.1'
const installWithinMs = 120_000
const holdMs = 8_000
const afterwardsMs = 2_000
const noShift = '+0'

/**
 * The wall clock of engines jumps while they run, and jumps back: with libfaketime in front of them, which reads the
 * shift from a file. Monotonic time goes on as ever. What the rig and the database write down has their own time.
 */
function jump(name: string, about: string, seconds: string, which: 'all' | 'one'): Fault {
  return {
    name,
    group,
    about,
    ...(which === 'one' && { replicasMin: 2 }),
    alone: true,
    holdMs,
    skip,
    async inject(world, random) {
      const replicas = which === 'all' ? world.replicas : [random.pick(world.replicas)]
      const file = path.join(world.folder, 'clock-shift')
      writeFileSync(file, noShift)
      await restart(world, replicas, {
        LD_PRELOAD: findLibrary() ?? undefined,
        FAKETIME_TIMESTAMP_FILE: file,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      })
      await delay(random.between(500, 1_500))
      writeFileSync(file, seconds)
      return async () => {
        writeFileSync(file, noShift)
        await delay(afterwardsMs)
        await restart(world, replicas, {
          LD_PRELOAD: undefined,
          FAKETIME_TIMESTAMP_FILE: undefined,
          FAKETIME_NO_CACHE: undefined,
          FAKETIME_DONT_FAKE_MONOTONIC: undefined,
        })
      }
    },
  }
}

async function restart(world: World, replicas: readonly Replica[], changes: Parameters<Replica['start']>[0]) {
  for (const replica of replicas) {
    if (!(await replica.terminate())) {
      world.wrong.push({ invariant: 0, text: `a stop was not in order:\n${replica.engine.lastLines}` })
    }
    await replica.start(changes)
    await replica.engine.untilReady()
  }
}

/** Installs libfaketime where that is allowed and takes a moment. */
async function skip(): Promise<string | null> {
  if (findLibrary() === null && process.getuid?.() === 0) {
    const args = ['install', '-y', '-q', '--no-install-recommends', 'faketime']
    await promisify(execFile)('apt-get', args, { timeout: installWithinMs }).catch(() => undefined)
  }
  return findLibrary() === null ? `${libraryName} is not installed (Debian: apt-get install faketime)` : null
}

/** Where Debian and its kin, Fedora and a build from source put it. */
function findLibrary(): string | null {
  const folders = ['/usr/lib', '/usr/lib64', '/usr/local/lib'].flatMap((base) => [
    path.join(base, 'faketime'),
    ...list(base).map((name) => path.join(base, name, 'faketime')),
  ])
  const folder = folders.find((one) => list(one).includes(libraryName))
  return folder === undefined ? null : path.join(folder, libraryName)
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

export const clockFaults: readonly Fault[] = [
  jump('clock-forward', 'the wall clock of every engine jumps ahead by 1 h, and back', '+3600', 'all'),
  jump('clock-back', 'the wall clock of every engine jumps back by 10 min, and ahead again', '-600', 'all'),
  jump('clock-of-one-forward', 'the wall clock of one of several engines is 1 h ahead', '+3600', 'one'),
  jump('clock-of-one-back', 'the wall clock of one of several engines is 10 min behind', '-600', 'one'),
]
