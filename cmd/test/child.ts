import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { projectRoot } from '../project-root.ts'

export interface Finished {
  /** Null when it was killed or could not be started. */
  readonly exitCode: number | null
  /** What was collected, and why it ended when that is unusual. */
  readonly output: string
  readonly durationMs: number
}

export interface RunOptions {
  readonly env: NodeJS.ProcessEnv
  readonly timeoutMs: number
  /** `collect` keeps the output for later, `show` lets it through to the terminal, a function gets every line. */
  readonly output: 'collect' | 'show' | ((line: string) => void)
}

const running = new Set<ChildProcess>()
let isEnding = false

/** Runs a program in the project's folder to its end, without input. Never rejects. */
export function run(program: string, args: readonly string[], options: RunOptions): Promise<Finished> {
  return new Promise((resolve) => {
    if (isEnding) return // and what waits for this ends with the process
    const startedAtMs = performance.now()
    const pipe = options.output === 'show' ? 'inherit' : 'pipe'
    const child = spawn(program, args, {
      cwd: projectRoot,
      env: options.env,
      stdio: ['ignore', pipe, pipe],
      timeout: options.timeoutMs,
    })
    running.add(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      if (typeof options.output === 'function') createInterface({ input: stream }).on('line', options.output)
      else stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    }
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

/** Asks what runs now to end; `run` then resolves. Nothing is started any more. */
export function endChildren(): void {
  isEnding = true
  for (const child of running) child.kill('SIGTERM')
}
