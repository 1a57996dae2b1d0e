import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { RecentOutput } from '../e2e/harness/output.ts'

export interface ChildOptions {
  readonly args?: readonly string[]
  /** The whole environment but for PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[]
}

const outputCharactersMax = 100_000
const stopWithinMs = 30_000

/** A Node process of its own, ended with this one at the latest. */
export class Child {
  readonly process: ChildProcess
  readonly exited: Promise<void>
  readonly #name: string
  readonly #output = new RecentOutput(outputCharactersMax)

  /** @param program a file; a .ts file runs as it is. */
  constructor(name: string, program: string, { args = [], env = {}, cwd, nodeOptions = [] }: ChildOptions = {}) {
    const { PATH, HOME } = process.env
    this.#name = name
    this.process = fork(program, args, {
      env: { PATH, HOME, ...env },
      ...(cwd !== undefined && { cwd }),
      execArgv: [...nodeOptions], // not ours: a loader of this process is no business of that one
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced', // typed arrays travel as they are
    })
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => this.#output.add(text))
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => this.#output.add(text))
    // Not by force: an embedded engine also has to end its PostgreSQL.
    const endToo = () => this.process.kill('SIGTERM')
    process.once('exit', endToo)
    this.exited = new Promise((resolve) => {
      this.process.once('error', (error) => this.#output.add(`could not be started: ${error.message}\n`))
      this.process.once('close', (code, signal) => {
        process.off('exit', endToo)
        this.#output.add(`[ended: ${signal ?? `exit code ${code}`}]`)
        resolve()
      })
    })
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null
  }

  /** An error that shows what the process wrote last. */
  failure(what: string): Error {
    return new Error(`${this.#name}: ${what}:\n${this.#output.last(40, () => true)}`)
  }

  /** Orderly, then by force. */
  async stop(): Promise<void> {
    if (!this.isRunning) return
    this.process.kill('SIGTERM')
    const timer = delay(stopWithinMs, undefined, { ref: false }).then(() => this.process.kill('SIGKILL'))
    await Promise.race([this.exited, timer.then(() => this.exited)])
  }
}
