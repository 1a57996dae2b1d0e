import { spawn } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { messageOf } from '../../domain/errors.ts'
import type { Clock } from '../../port/clock.ts'
import type { Binaries } from './binaries.ts'
import type { DataFolder } from './data-folder.ts'
import { isAlive, isPostmasterOf } from './process-table.ts'
import { credentials, toolEnvironment } from './run-tool.ts'
import type { ServerLog } from './server-log.ts'

export interface Postmaster {
  readonly pid: number
  readonly port: number
}

/** Durable, small, on the loopback address only, and silent about data: statements and row contents stay out of the log. */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '64MB',
  max_connections: '50',
  log_checkpoints: 'off',
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  log_timezone: 'UTC',
  TimeZone: 'UTC',
}

const fastShutdownMs = 10_000
const immediateShutdownMs = 5_000
const pollMs = 20

/** The live server of this folder, null when there is none. */
export async function findPostmaster(dataFolder: string): Promise<Postmaster | null> {
  const lines = (await readFile(pidFile(dataFolder), 'utf8').catch(() => '')).split('\n')
  const pid = Number(lines[0])
  if (!Number.isInteger(pid) || pid <= 0 || !isPostmasterOf(pid, dataFolder)) return null
  return { pid, port: Number(lines[3]) }
}

/**
 * Removes a `postmaster.pid` whose process id belongs to another program by now: PostgreSQL would take that for a server
 * and refuse to start. One whose process is dead is left to PostgreSQL, which looks for survivors first.
 */
export async function removeStalePidFile(dataFolder: string): Promise<void> {
  const pid = Number((await readFile(pidFile(dataFolder), 'utf8').catch(() => '')).split('\n')[0])
  if (isAlive(pid) && !isPostmasterOf(pid, dataFolder)) await rm(pidFile(dataFolder), { force: true })
}

function pidFile(dataFolder: string): string {
  return path.join(dataFolder, 'postmaster.pid')
}

export interface Launched extends Postmaster {
  /** Why the server ended, null while it runs. */
  ended(): string | null
}

/** Starts the server in a process group of its own: a Ctrl-C at the terminal is for the engine, which needs the database to drain. */
export async function launchPostmaster(
  place: DataFolder,
  binaries: Binaries,
  port: number,
  log: ServerLog,
): Promise<Launched> {
  const output = await log.open()
  try {
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = spawn(binaries.postgres, ['-D', place.dataFolder, '-p', String(port), ...options], {
      cwd: '/',
      env: toolEnvironment,
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
      ...credentials(place.user),
    })
    let ended: string | null = null
    child.once('exit', (code, signal) => (ended = signal ?? `exit code ${code}`))
    child.once('error', (error) => (ended = messageOf(error)))
    child.unref()
    return { pid: child.pid ?? 0, port, ended: () => ended }
  } finally {
    await output.close()
  }
}

/**
 * Ends the server: fast shutdown (open transactions are rolled back, everything is written), after 10 s immediate
 * shutdown, after 5 s more SIGKILL. Data is safe in each case; only the next start takes longer.
 */
export async function stopPostmaster(pid: number, clock: Clock): Promise<void> {
  const steps = [
    ['SIGINT', fastShutdownMs],
    ['SIGQUIT', immediateShutdownMs],
    ['SIGKILL', immediateShutdownMs],
  ] as const
  for (const [signal, waitMs] of steps) {
    sendSignal(pid, signal)
    if (await waitUntilGone(pid, waitMs, clock)) return
  }
}

export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // already gone
  }
}

async function waitUntilGone(pid: number, waitMs: number, clock: Clock): Promise<boolean> {
  const endMs = clock.monotonicMs() + waitMs
  while (isAlive(pid)) {
    if (clock.monotonicMs() >= endMs) return false
    await clock.sleep(pollMs)
  }
  return true
}
