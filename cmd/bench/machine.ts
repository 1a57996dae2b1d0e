import { execFileSync } from 'node:child_process'
import os from 'node:os'
import type { Ground } from './ground.ts'

/** What a figure is worth nothing without. */
export interface Machine {
  readonly at: string
  readonly commit: string
  readonly processors: string
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
  readonly postgres: string
  readonly load1: number
}

export async function describeMachine({ sql }: Ground): Promise<Machine> {
  const [server] = await sql`SHOW server_version`
  const model = os.cpus()[0]?.model ?? 'unknown'
  return {
    at: new Date().toISOString(),
    commit: commit(),
    processors: `${os.availableParallelism()} × ${model}`,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()}`,
    node: process.version,
    postgres: String(server?.['server_version']),
    load1: os.loadavg()[0] ?? 0,
  }
}

function commit(): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8', stdio: 'pipe' }).trim()
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
    return git('rev-parse', '--short=12', 'HEAD') + (isChanged ? ' with changes' : '')
  } catch {
    return 'unknown (no git here)'
  }
}
