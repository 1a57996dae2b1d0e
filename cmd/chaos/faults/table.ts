import { clockFaults } from './clock.ts'
import { connectionFaults } from './connections.ts'
import { diskFaults } from './disk.ts'
import { embeddedFaults } from './embedded.ts'
import { excusedFaults } from './excused.ts'
import { failpointFaults } from './failpoints.ts'
import type { Fault } from './fault.ts'
import { cutOffFaults, linkFaults } from './links.ts'
import { loadFaults } from './loads.ts'
import { messageFaults } from './messages.ts'
import { postgresFaults } from './postgres.ts'
import { processFaults } from './process.ts'
import { rabbitmqFaults } from './rabbitmq.ts'
import { redisFaults } from './redis.ts'
import { startFaults } from './starts.ts'
import { targetFaults } from './targets.ts'

/** Everything that can be made to go wrong. */
export const faults: readonly Fault[] = [
  ...processFaults,
  ...postgresFaults,
  ...diskFaults,
  ...embeddedFaults,
  ...rabbitmqFaults,
  ...redisFaults,
  ...linkFaults,
  ...cutOffFaults,
  ...targetFaults,
  ...connectionFaults,
  ...messageFaults,
  ...loadFaults,
  ...startFaults,
  ...clockFaults,
  ...excusedFaults,
  ...failpointFaults,
]

/** What the rig does not do, and why: said in every report. */
export const notDone: Readonly<Record<string, string>> = {
  'the clock of the database jumps': 'it has the clock of the machine, which is not ours to set',
  'power loss': 'the private PostgreSQL runs without fsync: a process can be killed, a machine cannot',
}

/**
 * @param words names, groups, or `all`.
 * @throws Error that names what is not known.
 */
export function chooseFaults(words: readonly string[]): readonly Fault[] {
  return words.flatMap((word) => {
    const found = faults.filter(({ name, group }) => word === 'all' || word === name || word === group)
    if (found.length > 0) return found
    const groups = [...new Set(faults.map(({ group }) => group))]
    throw new Error(`FAULTS: "${word}" is neither "all", nor a group (${groups.join(', ')}), nor one of:
  ${faults.map(({ name, about }) => `${name.padEnd(34)} ${about}`).join('\n  ')}`)
  })
}
