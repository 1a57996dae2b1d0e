import { renameSync, writeFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'

/**
 * Runs inside an engine (`node --expose-gc --import`), so that the rig can tell a leak from rubbish that nobody has
 * collected yet: at SIGUSR2 everything unreachable is collected, and what is left is written to CHAOS_PROBE_FILE.
 */
// Compiled code that has not run for half a minute would be let go too: megabytes between one look and the next.
setFlagsFromString('--no-flush-bytecode')

const file = process.env['CHAOS_PROBE_FILE']
const collections = 4

process.on('SIGUSR2', () => void answer())

async function answer(): Promise<void> {
  if (file === undefined || globalThis.gc === undefined) return
  for (let round = 0; round < collections; round++) {
    globalThis.gc()
    await turn()
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  writeFileSync(`${file}.part`, JSON.stringify({ heapBytes: heapUsed, outsideBytes: external, residentBytes: rss }))
  renameSync(`${file}.part`, file) // whoever reads it finds all of it
}
