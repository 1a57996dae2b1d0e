import { isAlive } from '../../embedded/postgres/process-table.ts'
import { type ServerPlace, type ServerProcess, type ServerSpec, startServer, waitUntilReady } from './server-process.ts'
import { until } from './until.ts'

const goneWithinMs = 10_000

/** A throwaway server that tests may end in any way and start again, on its old port with its old data. */
export class ControlledServer implements ServerProcess {
  readonly name: string
  readonly url: string
  readonly place: ServerPlace
  readonly spec: ServerSpec
  readonly #readyWithinMs: number
  readonly #isReady: () => Promise<boolean>
  #process: ServerProcess

  /** Starts the process; {@link ready} waits for it. */
  constructor(
    { name, url, place }: Pick<ControlledServer, 'name' | 'url' | 'place'>,
    spec: ServerSpec,
    readyWithinMs: number,
    isReady: () => Promise<boolean>,
  ) {
    this.name = name
    this.url = url
    this.place = place
    this.spec = spec
    this.#readyWithinMs = readyWithinMs
    this.#isReady = isReady
    this.#process = startServer(place, name, spec)
  }

  /** Of the process that runs now, or ran last. */
  get pid(): number {
    return this.#process.pid
  }

  get isRunning(): boolean {
    return isAlive(this.pid)
  }

  /** @throws Error with the end of the server's output. */
  ready(): Promise<void> {
    return waitUntilReady(this.place, this.name, this, this.#readyWithinMs, this.#isReady)
  }

  /** Starts it again and waits until it answers; nothing happens when it runs. */
  async start(): Promise<void> {
    if (this.isRunning) return
    this.#process = startServer(this.place, this.name, this.spec)
    await this.ready()
  }

  /** To the main process alone; SIGSTOP and SIGCONT go to its helpers too. */
  signal(name: NodeJS.Signals): void {
    if (!this.isRunning) return
    const toGroup = name === 'SIGSTOP' || name === 'SIGCONT'
    process.kill(toGroup ? -this.pid : this.pid, name)
  }

  /** Sends the signal and waits until the process is gone. */
  async end(name: NodeJS.Signals): Promise<void> {
    this.signal(name)
    await until(`${this.name} is gone after ${name}`, goneWithinMs * 2, () => !isAlive(this.pid))
  }

  /** All of its processes at once, as when the machine loses power (but for what the system had not written yet). */
  async kill9(): Promise<void> {
    this.#process.killNow()
    await until(`${this.name} is gone`, goneWithinMs, () => !isAlive(this.pid))
  }

  async stop(): Promise<void> {
    this.signal('SIGCONT') // a stopped process takes no other signal
    await this.#process.stop()
  }

  killNow(): void {
    this.#process.killNow()
  }
}
