import { readdirSync, readFileSync } from 'node:fs'
import type { TcpProxy } from '../../internal/testkit/tcp-proxy.ts'
import { Engine, type Settings } from '../e2e/harness/engine.ts'
import type { Evidence, Life } from './evidence.ts'

export type LinkName = 'postgres' | 'rabbitmq' | 'redis' | 'target'
/** To targets lead several: to the plain one, to those of connections, to the mail relay. */
export type Links = Readonly<Partial<Record<LinkName, readonly TcpProxy[]>>>

export interface ReplicaDeps {
  readonly evidence: Evidence
  /** An end that nobody asked for, with the last lines of the log. */
  readonly onUnexpectedEnd: (text: string) => void
}

const forEverMs = 2_147_483_647
const stopWithinMs = 30_000

/** One engine process behind links of its own, with a record of its lives. */
export class Replica {
  readonly index: number
  readonly links: Links
  readonly engine: Engine
  /** Where the process writes what it holds when it is asked. */
  readonly probeFile: string
  readonly #deps: ReplicaDeps
  #life: Life | null = null
  /** How it ends when it ends by itself: a failpoint kills it, or it was asked to stop. Null: it must not. */
  #ending: 'killed' | 'stopped' | null = null
  /** Most memory of any of its lives, in bytes. */
  peakBytes = 0

  private constructor(index: number, engine: Engine, probeFile: string, links: Links, deps: ReplicaDeps) {
    this.index = index
    this.probeFile = probeFile
    this.engine = engine
    this.links = links
    this.#deps = deps
  }

  static async prepare(index: number, folder: string, settings: Settings, links: Links, deps: ReplicaDeps) {
    return new Replica(index, await Engine.prepare(folder, settings), settings['CHAOS_PROBE_FILE'] ?? '', links, deps)
  }

  get isRunning(): boolean {
    return this.engine.isRunning
  }

  get pid(): number {
    return this.engine.pid
  }

  /** @param mayDie a failpoint among `changes` is going to end it. */
  launch(changes: Settings = {}, mayDie = false): void {
    this.engine.launch(changes)
    this.#ending = mayDie ? 'killed' : null
    const life = this.#deps.evidence.begin(this.engine.pid)
    this.#life = life
    void this.#noteEnd(life).catch(() => undefined)
  }

  async #noteEnd(life: Life): Promise<void> {
    const exit = await this.engine.exited(forEverMs)
    const unexpected = life.how === 'running' && this.#ending === null
    this.#deps.evidence.end(life, this.#ending ?? 'unexpected')
    if (unexpected) this.#deps.onUnexpectedEnd(`${JSON.stringify(exit)}\n${this.engine.lastLines}`)
  }

  async start(changes: Settings = {}): Promise<void> {
    this.launch(changes)
    await this.engine.untilAccepting()
  }

  async kill9(): Promise<void> {
    if (!this.isRunning || this.#life === null) return
    this.sample()
    this.#deps.evidence.end(this.#life, 'killed')
    await this.engine.kill9()
  }

  /** @returns whether it ended by itself in time, with exit code 0. */
  async terminate(): Promise<boolean> {
    if (!this.isRunning || this.#life === null) return true
    this.sample()
    // Its end is noted only when it has come: a process that is stopping is alive and owes its results.
    this.#ending = 'stopped'
    this.engine.signal('SIGTERM')
    try {
      return (await this.engine.exited(stopWithinMs)).code === 0
    } catch {
      await this.kill9()
      return false
    }
  }

  /** Waits for a failpoint to end it. @returns whether it did. */
  async died(withinMs: number): Promise<boolean> {
    return this.engine.exited(withinMs).then(
      () => true,
      () => false,
    )
  }

  /** Looks at its memory. @returns bytes now and open files; zeros where the system does not tell. */
  sample(): { readonly bytes: number; readonly files: number } {
    try {
      const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
      const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1_024
      this.peakBytes = Math.max(this.peakBytes, kib('VmHWM'))
      return { bytes: kib('VmRSS'), files: readdirSync(`/proc/${this.pid}/fd`).length }
    } catch {
      return { bytes: 0, files: 0 }
    }
  }
}
