import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { chown, mkdir } from 'node:fs/promises'
import { connect } from 'node:net'
import path from 'node:path'
import { isAlive } from '../../embedded/postgres/process-table.ts'
import type { SystemUser } from '../../embedded/postgres/run-tool.ts'
import { credentials, toolEnvironment } from '../../embedded/postgres/run-tool.ts'
import { until } from './until.ts'

export interface ServerPlace {
  /** Of this server alone; `user` may write here. */
  readonly folder: string
  /** Null: this process's own user. */
  readonly user: SystemUser | null
}

export interface ServerProcess {
  readonly pid: number
  /** Asks with the first signal, then insists; returns when the process is gone. Safe to call twice. */
  stop(): Promise<void>
  /** At once, without waiting: for a process that is about to exit. */
  killNow(): void
}

export interface ServerSpec {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The signal for a quick orderly end; the data is thrown away anyway. */
  readonly stopSignal: NodeJS.Signals
  readonly stopWithinMs: number
}

/**
 * Starts a server in the foreground, as a child of this process, so that its id is known without pid files. It leads a
 * process group of its own: a Ctrl-C at the terminal must reach the tests before their servers go.
 */
export function startServer(place: ServerPlace, name: string, spec: ServerSpec): ServerProcess {
  const output = openSync(path.join(place.folder, `${name}.out`), 'a', 0o644)
  // Erlang allocates a table for every file it may open: with the limit of a container (2^30) that is gigabytes.
  const script = 'ulimit -Sn 4096 2>/dev/null; exec "$@"'
  const child = spawn('/bin/sh', ['-c', script, 'sh', spec.program, ...spec.args], {
    cwd: place.folder,
    env: { ...toolEnvironment, HOME: place.folder, ...spec.env },
    detached: true,
    stdio: ['ignore', output, output],
    ...credentials(place.user),
  })
  closeSync(output)
  child.once('error', () => undefined) // then there is no pid, which `waitUntilReady` reports
  child.unref()
  const pid = child.pid ?? 0
  return {
    pid,
    killNow: () => signalGroup(pid, 'SIGKILL'),
    stop: async () => {
      if (pid === 0) return
      signal(pid, spec.stopSignal)
      await until(`${name} ends`, spec.stopWithinMs, () => !isAlive(pid)).catch(() => undefined)
      signalGroup(pid, 'SIGKILL') // and its helpers
      await until(`${name} is gone`, 5_000, () => !isAlive(pid))
    },
  }
}

/** @throws Error with the end of the server's output when it ends or is not ready in time. */
export async function waitUntilReady(
  place: ServerPlace,
  name: string,
  server: ServerProcess,
  timeoutMs: number,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const ready = until(`${name} is ready`, timeoutMs, async () => {
    if (server.pid === 0 || !isAlive(server.pid)) throw new Error(`${name} ended at once`)
    return isReady()
  })
  await ready.catch((error: unknown) => {
    const output = readFileSync(path.join(place.folder, `${name}.out`), 'utf8')
      .trim()
      .split('\n')
      .slice(-15)
      .join('\n')
    throw new Error(`${name} does not start: ${error instanceof Error ? error.message : String(error)}\n${output}`)
  })
}

/** Whether a server at this loopback port answers `hello` with a byte of `accepted` as its first, within a second. */
export function answers(port: number, hello: Buffer, accepted: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 1_000 }, () => socket.write(hello))
    const done = (ready: boolean) => {
      socket.destroy()
      resolve(ready)
    }
    socket.once('data', (data) => done(accepted.charCodeAt(0) === data[0]))
    socket.once('error', () => done(false))
    socket.once('timeout', () => done(false))
    socket.once('close', () => done(false))
  })
}

export async function makeOwnFolder(place: ServerPlace, ...names: readonly string[]): Promise<string> {
  const folder = path.join(place.folder, ...names)
  await mkdir(folder, { recursive: true, mode: 0o755 })
  if (place.user !== null) await chown(folder, place.user.uid, place.user.gid)
  return folder
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // already gone
  }
}

function signalGroup(pid: number, name: NodeJS.Signals): void {
  if (pid > 0) signal(-pid, name)
}
