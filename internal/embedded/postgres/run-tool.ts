import { spawn } from 'node:child_process'

export interface SystemUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

export interface ToolRun {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface ToolOptions {
  /** Null: as the user of this process. */
  readonly user: SystemUser | null
  readonly input?: string
  readonly timeoutMs: number
}

/** Runs a short program to its end, as another user if asked. A program that cannot be started or takes too long has exit code null. */
export function runTool(file: string, args: readonly string[], options: ToolOptions): Promise<ToolRun> {
  return new Promise((resolve) => {
    // Working folder "/": the one of this process may be closed to the other user, and PostgreSQL's programs refuse to run then.
    const child = spawn(file, args, {
      cwd: '/',
      env: toolEnvironment,
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      ...credentials(options.user),
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdin.on('error', () => undefined) // a program that ends without reading is judged by its exit code
    child.stdin.end(options.input ?? '')
    child.once('error', (error) => resolve({ exitCode: null, stdout, stderr: error.message }))
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }))
  })
}

/** Nothing of the engine's own environment reaches PostgreSQL: PG* variables and locales of the caller would change it. */
export const toolEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
}

/** Options of `spawn` that make the program run as `user`. */
export function credentials(user: SystemUser | null): { uid?: number; gid?: number } {
  return user === null ? {} : { uid: user.uid, gid: user.gid }
}
