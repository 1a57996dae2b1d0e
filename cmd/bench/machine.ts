import { execFileSync } from 'node:child_process'
import os from 'node:os'
import { projectRoot } from '../project-root.ts'
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
  readonly rabbitmq: string
  readonly redis: string
  readonly load1: number
}

export function describeMachine({ versions }: Ground): Machine {
  const model = os.cpus()[0]?.model ?? 'unknown'
  return {
    at: new Date().toISOString(),
    commit: commit(),
    processors: `${os.availableParallelism()} × ${model}`,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()}`,
    node: process.version,
    ...versions,
    load1: os.loadavg()[0] ?? 0,
  }
}

function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: projectRoot, encoding: 'utf8', stdio: 'pipe' }).trim()
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
    return git('rev-parse', '--short=12', 'HEAD') + (isChanged ? ' with changes' : '')
  } catch {
    return 'unknown' // no git here, or no checkout
  }
}
