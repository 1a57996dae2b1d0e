import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { errorCode } from './errors.ts'

const hasProc = process.platform === 'linux'

/** Whether a process with this id runs, whoever owns it. A dead one that nobody has collected yet does not count. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false // 0 would mean this whole group
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (errorCode(error) !== 'EPERM') return false
  }
  const state = readStat(pid)?.state
  return state !== 'Z' && state !== 'X'
}

/**
 * When the process began, as a text that only serves for comparing: process ids are reused, a pair of id and begin is not.
 * @returns null when the process is gone or the system does not say.
 */
export function startMark(pid: number): string | null {
  if (!hasProc) return ps('lstart', pid)
  const stat = readStat(pid)
  return stat === null ? null : `${bootId()}:${stat.startTicks}`
}

/**
 * Whether `pid` is the PostgreSQL server of exactly this data folder. On Linux its working folder tells (the server
 * changes into the data folder at start, and the kernel follows renames), elsewhere its command line.
 */
export function isPostmasterOf(pid: number, dataFolder: string): boolean {
  if (!isAlive(pid)) return false
  if (!hasProc) return ps('command', pid)?.includes(`-D ${dataFolder} `) ?? false
  try {
    const program = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? ''
    return (
      path.basename(program).startsWith('postgres') && readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataFolder)
    )
  } catch {
    return false // gone meanwhile, or somebody else's process: then it is not a server of ours
  }
}

function readStat(pid: number): { readonly state: string; readonly startTicks: string } | null {
  if (!hasProc) return null
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The program's name stands in brackets and may hold blanks and brackets itself: fields count from the last one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? '', startTicks: fields[19] ?? '' }
  } catch {
    return null
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return 'boot'
  }
}

function ps(column: 'lstart' | 'command', pid: number): string | null {
  try {
    return (
      execFileSync('ps', ['-ww', '-o', `${column}=`, '-p', String(pid)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 2_000,
      }).trim() || null
    )
  } catch {
    return null
  }
}
