import { existsSync, readFileSync, rmSync } from 'node:fs'
import { z } from 'zod'
import { eventually } from '../../internal/testkit/eventually.ts'
import type { Settings } from '../e2e/harness/engine.ts'

/** What a process holds when nothing is under way and everything unreachable has been collected. */
export interface Rest {
  readonly pid: number
  /** Of JavaScript, and of buffers outside its heap. */
  readonly heapBytes: number
  readonly outsideBytes: number
  /** As the system counts: noisy, so it is reported and not judged. */
  readonly residentBytes: number
  readonly files: number
}

const answer = z.object({ heapBytes: z.number(), outsideBytes: z.number(), residentBytes: z.number() })
const share = 1.1
const answerWithinMs = 15_000

/** Settings that let {@link measure} look inside an engine. @param leak planted, to show that it is found. */
export function probeSettings(file: string, leak: 'heap' | 'files' | null): Settings {
  const probe = `--import ${import.meta.resolve('./inside/memory-probe.ts')}`
  const planted = `--import ${import.meta.resolve('./inside/planted-leak.ts')}`
  return {
    CHAOS_PROBE_FILE: file,
    CHAOS_LEAK: leak ?? undefined,
    NODE_OPTIONS: leak === null ? `--expose-gc ${probe}` : `--expose-gc ${probe} ${planted}`,
  }
}

/** A process that was started with {@link probeSettings}. */
export interface Probed {
  readonly pid: number
  readonly probeFile: string
  readonly engine: { signal(name: NodeJS.Signals): void }
  sample(): { readonly files: number }
}

/** @throws Error when the process does not answer. */
export async function measure(probed: Probed): Promise<Rest> {
  const { pid, probeFile } = probed
  rmSync(probeFile, { force: true })
  probed.engine.signal('SIGUSR2')
  await eventually(() => existsSync(probeFile), { withinMs: answerWithinMs })
  const { files } = probed.sample()
  return { pid, files, ...answer.parse(JSON.parse(readFileSync(probeFile, 'utf8'))) }
}

/** What `last` holds beyond 110 % of what `first` held; empty when there is nothing. */
export function excess(first: Rest, last: Rest): readonly string[] {
  const held = (rest: Rest) => rest.heapBytes + rest.outsideBytes
  const found: string[] = []
  if (held(last) > held(first) * share) found.push(`${mib(held(last))} of memory, at first ${mib(held(first))}`)
  if (last.files > first.files * share) found.push(`${last.files} open files, at first ${first.files}`)
  return found
}

export function mib(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`
}
