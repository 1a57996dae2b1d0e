import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { excess, measure, probeSettings, type Rest } from './memory.ts'

const megabyte = 1_048_576
const rest: Rest = { pid: 1, heapBytes: 30 * megabyte, outsideBytes: 10 * megabyte, residentBytes: 0, files: 40 }

/** Keeps, or drops, so many megabytes for each line it reads. */
const program = `
const kept = []
const make = (megabytes) => Array.from({ length: megabytes * 1_024 }, () => new Array(128).fill(0.5))
process.stdin.setEncoding('utf8').on('data', (line) => {
  const [verb, megabytes] = line.trim().split(' ')
  const made = make(Number(megabytes))
  if (verb === 'keep') kept.push(made)
  console.log(verb)
})
console.log('here')`

async function start() {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'dispatch-probe-'))
  const probeFile = path.join(folder, 'memory.json')
  const env = { ...process.env, ...probeSettings(probeFile, null) }
  const child = spawn(process.execPath, ['-e', program], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await rm(folder, { recursive: true })
  })
  await once(child.stdout, 'data')
  const engine = { signal: (name: NodeJS.Signals) => void child.kill(name) }
  return {
    look: () => measure({ pid: child.pid ?? 0, probeFile, engine, sample: () => ({ files: 0 }) }),
    tell: async (line: string) => {
      child.stdin.write(`${line}\n`)
      await once(child.stdout, 'data')
    },
  }
}

describe('memory at rest', () => {
  it('tells what is kept from rubbish', async () => {
    const { look, tell } = await start()
    const first = await look()
    for (let n = 0; n < 5; n++) await tell('drop 16')
    expect(excess(first, await look())).toEqual([])
    await tell('keep 16')
    expect(excess(first, await look())).toEqual([expect.stringMatching(/MiB of memory, at first/)])
  })

  it('may be a tenth more than at first, on the heap and outside it together', () => {
    expect(excess(rest, { ...rest, heapBytes: 34 * megabyte, files: 44 })).toEqual([])
    expect(excess(rest, { ...rest, heapBytes: 5 * megabyte, files: 3 })).toEqual([])
    expect(excess(rest, { ...rest, outsideBytes: 15 * megabyte })).toEqual(['45.0 MiB of memory, at first 40.0 MiB'])
    expect(excess(rest, { ...rest, files: 45 })).toEqual(['45 open files, at first 40'])
  })
})
