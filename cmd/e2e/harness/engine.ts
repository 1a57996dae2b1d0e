import { type ChildProcess, spawn } from 'node:child_process'
import { eventually } from '../../../internal/testkit/eventually.ts'
import { Client } from './client.ts'
import { RecentOutput } from './output.ts'
import { findPort } from './ports.ts'
import { program, requireBuild } from './program.ts'

/** Environment variables of the engine; undefined = not set. */
export type Settings = Readonly<Record<string, string | undefined>>

export interface Exit {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const outputCharactersMax = 500_000
const readyWithinMs = 60_000
const exitWithinMs = 40_000

/**
 * One engine process on a port of its own. Its environment is only what is given here: neither a developer's shell nor
 * a `.env` file has a say, since it runs in an empty folder.
 */
export class Engine {
  readonly port: number
  readonly url: string
  readonly client: Client
  readonly #folder: string
  #settings: Settings
  readonly #output = new RecentOutput(outputCharactersMax)
  #child: ChildProcess | null = null
  #exit: Promise<Exit> | null = null

  private constructor(port: number, folder: string, settings: Settings) {
    this.port = port
    this.url = `http://127.0.0.1:${port}`
    this.client = new Client(this.url, settings['MANAGEMENT_API_KEY'] ?? null)
    this.#folder = folder
    this.#settings = settings
  }

  /** @param folder an empty one, for the process to run in. */
  static async prepare(folder: string, settings: Settings): Promise<Engine> {
    requireBuild()
    const given = settings['API_PORT']
    return new Engine(given === undefined ? await findPort(settings) : Number(given), folder, settings)
  }

  /** Everything it wrote lately, over all its lives. */
  get output(): string {
    return this.#output.text
  }

  get lastLines(): string {
    return this.#output.last(60, (line) => !line.includes('"path":"/readyz"'))
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('the engine has not been started')
    return this.#child.pid
  }

  /** Starts the process without waiting. @param changes settings that differ from now on. */
  launch(changes: Settings = {}): void {
    if (this.isRunning) throw new Error('the engine runs already')
    this.#settings = { ...this.#settings, ...changes }
    const { PATH, HOME } = process.env
    const env = { PATH, HOME, ...this.#settings, API_PORT: String(this.port) }
    const child = spawn(process.execPath, ['--enable-source-maps', program], {
      cwd: this.#folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a Ctrl-C at the terminal is for the tests, which end their engines themselves
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#output.add(text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#output.add(text))
    // An engine that is told to stop also ends the PostgreSQL it runs, so this serves for tests that are cut short.
    const stopWithUs = () => child.kill('SIGTERM')
    process.once('exit', stopWithUs)
    this.#child = child
    this.#exit = new Promise<Exit>((resolve) => {
      child.once('error', (error) => this.#output.add(`could not be started: ${error.message}\n`))
      child.once('close', (code, signal) => {
        process.off('exit', stopWithUs)
        this.#output.add(`[process ended: ${signal ?? `exit code ${code}`}]\n`)
        resolve({ code, signal })
      })
    })
  }

  /** Starts the process and waits until it says that it is ready. @throws Error with its output when it ends instead. */
  async start(changes: Settings = {}): Promise<void> {
    this.launch(changes)
    await this.untilReady()
  }

  untilReady(): Promise<void> {
    return this.#untilOk('/readyz')
  }

  /** Ready to store requests, whatever else is away. */
  untilAccepting(): Promise<void> {
    return this.#untilOk('/readyz?for=accept')
  }

  async #untilOk(path: string): Promise<void> {
    const ended = this.exited(readyWithinMs).then((exit) => {
      throw new Error(`the engine ended before it was ready (${JSON.stringify(exit)}):\n${this.lastLines}`)
    })
    const ready = eventually(async () => (await this.client.send('GET', path)).status === 200, {
      withinMs: readyWithinMs,
      everyMs: 50,
    })
    await Promise.race([ready, ended]).finally(() => {
      ended.catch(() => undefined)
      ready.catch(() => undefined)
    })
  }

  /** How the process ended. @throws Error when it still runs after `withinMs`. */
  async exited(withinMs = exitWithinMs): Promise<Exit> {
    if (this.#exit === null) throw new Error('the engine has not been started')
    const timeout = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      timeout.reject(new Error(`the engine has not ended within ${withinMs} ms:\n${this.lastLines}`))
    }, withinMs)
    timer.unref()
    return Promise.race([this.#exit, timeout.promise]).finally(() => clearTimeout(timer))
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  /** As a power cut would end it: no handler runs. */
  async kill9(): Promise<void> {
    this.signal('SIGKILL')
    await this.exited()
  }

  /** Asks for an orderly stop and waits for it. */
  async terminate(): Promise<Exit> {
    this.signal('SIGTERM')
    return this.exited()
  }
}
