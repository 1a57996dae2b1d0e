import { readdirSync, readFileSync } from 'node:fs'

const ticksPerSecond = 100 // of /proc, on every Linux that Node runs on
const pageBytes = 4_096

interface Stat {
  readonly pid: number
  readonly parent: number
  /** With what its ended children used. */
  readonly ticks: number
  readonly residentBytes: number
}

export interface Usage {
  /** Processor time since its start, in seconds, with all processes below it. */
  readonly cpuSeconds: number
  /** Of the processes themselves. */
  readonly residentBytes: number
}

/** What each group of processes has used so far. Null where the system does not tell (no Linux). */
export function usageOf(groups: Readonly<Record<string, readonly number[]>>): Readonly<Record<string, Usage>> | null {
  if (process.platform !== 'linux') return null
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (readStat(Number(name)) ?? []) : []))
  const children = Map.groupBy(all, ({ parent }) => parent)
  const ticksBelow = (stat: Stat): number =>
    (children.get(stat.pid) ?? []).reduce((sum, child) => sum + ticksBelow(child), stat.ticks)
  const sum = (stats: readonly Stat[], value: (stat: Stat) => number) =>
    stats.reduce((total, stat) => total + value(stat), 0)
  const entries = Object.entries(groups).flatMap(([name, pids]): [string, Usage][] => {
    const stats = all.filter(({ pid }) => pids.includes(pid))
    if (stats.length < pids.length) return []
    const cpuSeconds = sum(stats, ticksBelow) / ticksPerSecond
    return [[name, { cpuSeconds, residentBytes: sum(stats, ({ residentBytes }) => residentBytes) }]]
  })
  return Object.fromEntries(entries)
}

function readStat(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ') // the name before may hold anything
    const number = (field: number) => Number(fields[field - 3]) // as proc(5) counts them
    const ticks = number(14) + number(15) + number(16) + number(17)
    return { pid, parent: number(4), ticks, residentBytes: number(24) * pageBytes }
  } catch {
    return null // it has ended meanwhile
  }
}
