import { type ChildProcess, spawn } from 'node:child_process'
import { projectRoot } from '../project-root.ts'

export interface Finished {
  /** Null when it was killed or could not be started. */
  readonly exitCode: number | null
  readonly output: string
  readonly durationMs: number
}

export interface RunOptions {
  readonly env: NodeJS.ProcessEnv
  readonly timeoutMs: number
  /** `collect` keeps the output for later, `show` lets it through to the terminal. */
  readonly output: 'collect' | 'show'
}

const running = new Set<ChildProcess>()

/** Runs a program in the project's folder to its end, without input. Never rejects. */
export function run(program: string, args: readonly string[], options: RunOptions): Promise<Finished> {
  return new Promise((resolve) => {
    const startedAtMs = performance.now()
    const pipe = options.output === 'collect' ? 'pipe' : 'inherit'
    const child = spawn(program, args, {
      cwd: projectRoot,
      env: options.env,
      stdio: ['ignore', pipe, pipe],
      timeout: options.timeoutMs,
    })
    running.add(child)
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text))
    const finish = (exitCode: number | null, reason = '') => {
      running.delete(child)
      resolve({ exitCode, output: output + reason, durationMs: performance.now() - startedAtMs })
    }
    child.once('error', (error) => finish(null, `${program}: ${error.message}\n`))
    child.once('close', (exitCode, signal) =>
      finish(exitCode, signal === null ? '' : `${program} ended by ${signal}\n`),
    )
  })
}

/** Asks what runs now to end; `run` then resolves. */
export function endChildren(): void {
  for (const child of running) child.kill('SIGTERM')
}
