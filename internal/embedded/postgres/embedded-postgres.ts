import { randomUUID } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { messageOf } from '../../domain/errors.ts'
import type { Component } from '../../lifecycle/component.ts'
import type { Clock } from '../../port/clock.ts'
import type { Logger } from '../../port/telemetry.ts'
import { type Binaries, findBinaries } from './binaries.ts'
import { clusterUrl, prepareCluster, readPassword } from './cluster.ts'
import { type DataFolder, type FolderSettings, openDataFolder, stateFolder } from './data-folder.ts'
import { EmbeddedPostgresError } from './errors.ts'
import { type FolderLock, lockFolder } from './folder-lock.ts'
import { findFreePort, isFreePort, portAnswers } from './free-port.ts'
import {
  findPostmaster,
  launchPostmaster,
  type Postmaster,
  removeStalePidFile,
  sendSignal,
  stopPostmaster,
} from './postmaster.ts'
import { isAlive } from './process-table.ts'
import { ServerLog } from './server-log.ts'

export interface EmbeddedPostgresDeps {
  readonly logger: Logger
  readonly clock: Clock
  /** Signs in and runs `select 1`; rejects when it cannot. The supervisor bounds its time through `signal`, heeded or not. */
  readonly probe: (url: string, signal: AbortSignal) => Promise<void>
}

/** Long enough for the recovery after a crash; a server that ends sooner is noticed at once. */
const readyMs = 120_000
const adoptMs = 10_000
const probeMs = 2_000
const pollMs = 25
const watchMs = 500
const trimEveryTicks = 120
const relaunchDelayMsMax = 5_000
const relaunchDelayMsMin = 250

/**
 * A real PostgreSQL in a data folder of its own, for running the engine without a database server.
 * It survives a kill -9 of the engine (the next one adopts it), is started again when it dies itself, and is shared with
 * nobody: a second engine on the same folder is refused.
 */
export class EmbeddedPostgres implements Component {
  readonly name = 'embedded-postgres'
  readonly #settings: FolderSettings
  readonly #deps: EmbeddedPostgresDeps
  #abort = new AbortController()
  #starting: Promise<void> = Promise.resolve()
  #watching: Promise<void> = Promise.resolve()
  #stopping: Promise<void> | null = null
  #place: DataFolder | null = null
  #lock: FolderLock | null = null
  #server: Postmaster | null = null
  #url: string | null = null

  constructor(settings: FolderSettings, deps: EmbeddedPostgresDeps) {
    this.#settings = settings
    this.#deps = deps
  }

  /** With the password in it: never log it. The same for the whole life of the component, restarts of the server included. */
  get url(): string {
    if (this.#url === null) throw new Error('the embedded PostgreSQL has not been started')
    return this.#url
  }

  /** The data folder in use; null before `start`. */
  get folder(): string | null {
    return this.#place?.folder ?? null
  }

  /** @throws EmbeddedPostgresError with one sentence for the person at the terminal. Nothing is left running then. */
  async start(): Promise<void> {
    this.#abort = new AbortController()
    this.#stopping = null
    this.#starting = this.#start(this.#abort.signal)
    try {
      await this.#starting
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { logger, clock } = this.#deps
    const startedAtMs = clock.monotonicMs()
    const place = await openDataFolder(this.#settings)
    this.#place = place
    logger.info('embedded PostgreSQL: data folder', { folder: place.folder, user: place.user?.name })
    this.#lock = await lockFolder(place.folder)
    // A forced exit skips stop(); PostgreSQL needs only the signal to shut down by itself.
    process.once('exit', this.#onExit)
    const binaries = await findBinaries(stateFolder(this.#settings), place.user)
    const adopted = await this.#adopt(place, signal)
    if (!adopted) await this.#launchFresh(place, binaries, signal)
    const durationMs = Math.round(clock.monotonicMs() - startedAtMs)
    logger.info('embedded PostgreSQL is ready', {
      serverPid: this.#server?.pid,
      port: this.#server?.port,
      adopted,
      durationMs,
    })
    this.#watching = this.#watch(place, binaries, signal)
  }

  async #stop(): Promise<void> {
    this.#abort.abort(new Error('the embedded PostgreSQL is being stopped'))
    await this.#starting.catch(() => undefined)
    await this.#watching
    process.removeListener('exit', this.#onExit)
    if (this.#lock === null) return // not ours to touch
    const place = this.#place
    const server = this.#server ?? (place === null ? null : await findPostmaster(place.dataFolder))
    if (server !== null) await stopPostmaster(server.pid, this.#deps.clock)
    this.#server = null
    await this.#lock.release()
    this.#lock = null
  }

  readonly #onExit = (): void => {
    if (this.#server !== null) sendSignal(this.#server.pid, 'SIGINT')
  }

  /** Takes over the server that an engine left behind when it was killed. One that does not answer any more is ended, since nobody else will. */
  async #adopt(place: DataFolder, signal: AbortSignal): Promise<boolean> {
    const { clock, logger } = this.#deps
    const server = await findPostmaster(place.dataFolder)
    if (server === null) return false
    const password = await readPassword(place)
    if (password !== null) {
      const endMs = clock.monotonicMs() + adoptMs
      const url = clusterUrl(server.port, password)
      while (isAlive(server.pid) && clock.monotonicMs() < endMs) {
        if ((await portAnswers(server.port)) && (await this.#probe(url)) === null) {
          this.#server = server
          this.#url = url
          return true
        }
        await clock.sleep(pollMs, signal)
      }
    }
    if (isAlive(server.pid))
      logger.warn('embedded PostgreSQL does not answer and is restarted', { serverPid: server.pid })
    await stopPostmaster(server.pid, clock)
    return false
  }

  async #launchFresh(place: DataFolder, binaries: Binaries, signal: AbortSignal): Promise<void> {
    const password = await prepareCluster(place, binaries)
    const endMs = this.#deps.clock.monotonicMs() + readyMs
    let port = await rememberedPort(place.folder)
    for (;;) {
      const failure = await this.#launch(place, binaries, port, password, signal)
      if (failure === null) break
      const portTaken = /could not bind|could not create any TCP\/IP sockets/.test(failure)
      if (!portTaken && !isTransient(failure)) throw startError(place, failure)
      if (this.#deps.clock.monotonicMs() >= endMs) throw startError(place, failure)
      if (portTaken) port = await findFreePort()
      else await this.#deps.clock.sleep(relaunchDelayMsMin, signal)
    }
    await rememberPort(place.folder, port)
  }

  /** @returns null once the server answers a signed-in statement, else what it wrote before it ended. */
  async #launch(
    place: DataFolder,
    binaries: Binaries,
    port: number,
    password: string,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { clock } = this.#deps
    const log = new ServerLog(place.folder)
    const url = clusterUrl(port, password)
    const endMs = clock.monotonicMs() + readyMs
    await removeStalePidFile(place.dataFolder)
    const server = await launchPostmaster(place, binaries, port, log)
    this.#server = server
    let problem: string | null = 'no answer'
    for (;;) {
      const ended = server.ended()
      if (ended !== null) {
        this.#server = null
        return `${ended}: ${lastLines(await log.recent().catch(() => ''))}`
      }
      if (await portAnswers(port)) problem = await this.#probe(url)
      if (problem === null) break
      if (clock.monotonicMs() >= endMs) {
        await stopPostmaster(server.pid, clock)
        throw startError(place, `not ready within ${readyMs / 1000} s: ${problem}`)
      }
      await clock.sleep(pollMs, signal)
    }
    this.#url = url
    return null
  }

  /** @returns null when it answered, else why not. */
  async #probe(url: string): Promise<string | null> {
    const timeout = this.#deps.clock.timeout(probeMs)
    try {
      await Promise.race([this.#deps.probe(url, timeout.signal), rejectOnAbort(timeout.signal)])
      return null
    } catch (error) {
      return messageOf(error)
    } finally {
      timeout.clear()
    }
  }

  /** Starts the server again when it dies under the engine, on its old port, since the pool knows the URL. */
  async #watch(place: DataFolder, binaries: Binaries, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps
    const log = new ServerLog(place.folder)
    for (let tick = 1; !signal.aborted; tick++) {
      await clock.sleep(watchMs, signal).catch(() => undefined)
      if (signal.aborted) return
      if (tick % trimEveryTicks === 0) await log.trim().catch(() => undefined)
      if (this.#server !== null && !isAlive(this.#server.pid)) {
        logger.error('embedded PostgreSQL ended unexpectedly and is started again', { serverPid: this.#server.pid })
        await this.#relaunch(place, binaries, this.#server.port, signal)
      }
    }
  }

  async #relaunch(place: DataFolder, binaries: Binaries, port: number, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps
    for (let delayMs = relaunchDelayMsMin; !signal.aborted; delayMs = Math.min(delayMs * 2, relaunchDelayMsMax)) {
      try {
        const password = await prepareCluster(place, binaries)
        const failure = await this.#launch(place, binaries, port, password, signal)
        if (failure === null)
          return logger.info('embedded PostgreSQL is ready again', { serverPid: this.#server?.pid, port })
        logger.error('embedded PostgreSQL cannot be started again yet', { reason: failure })
      } catch (error) {
        if (!signal.aborted)
          logger.error('embedded PostgreSQL cannot be started again yet', { reason: messageOf(error) })
      }
      await clock.sleep(delayMs, signal).catch(() => undefined)
    }
  }
}

/** Backends of a killed server need a moment to notice; until then their shared memory keeps a new one from starting. */
function isTransient(failure: string): boolean {
  return /shared memory block .* is still in use|lock file .* already exists/.test(failure)
}

function startError(place: DataFolder, reason: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(`The embedded PostgreSQL in ${place.folder} does not start: ${reason}`)
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-6).join(' | ')
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

/** The port of last time, so that the URL in somebody's SQL tool stays right, unless it is taken. */
async function rememberedPort(folder: string): Promise<number> {
  const port = Number(await readFile(path.join(folder, 'port'), 'utf8').catch(() => ''))
  const usable = Number.isInteger(port) && port >= 1024 && port <= 65_535 && (await isFreePort(port))
  return usable ? port : findFreePort()
}

async function rememberPort(folder: string, port: number): Promise<void> {
  const draft = path.join(folder, `draft-${randomUUID()}.port`)
  await writeFile(draft, `${port}\n`, { flag: 'wx', mode: 0o644 })
  await rename(draft, path.join(folder, 'port'))
}
