import type { ConnectionId, ConnectionPause, Route } from '../../domain/connection.ts'
import { DependencyUnavailableError, messageOf, OverloadedError } from '../../domain/errors.ts'
import type { Component } from '../../lifecycle/component.ts'
import { makePoller } from '../../lifecycle/poller.ts'
import type { Clock } from '../../port/clock.ts'
import type { ConnectionPauser } from '../../port/connection-pauser.ts'
import type { ConnectionStore } from '../../port/connection-store.ts'
import type { Claimed } from '../../port/notification-store.ts'
import type { Outlet, Outlets } from '../../port/outlet.ts'
import type { Logger } from '../../port/telemetry.ts'
import type { Sealer } from '../sealing/sealer.ts'
import { Catalog, type CatalogDeps, type CatalogSettings } from './catalog.ts'
import type { Environment } from './environment-values.ts'
import { FileSource } from './file-source.ts'
import { LiveOutlets } from './live-outlets.ts'
import { resealAll } from './reseal.ts'
import { type ConnectionState, combine, emptyState, routeKey } from './state.ts'

export interface RegistrySettings extends CatalogSettings {
  /** The operator's file of connections and routes; null = none. */
  readonly connectionsFile: string | null
}

export interface RegistryDeps extends Pick<CatalogDeps, 'builtIn' | 'kindOf'> {
  readonly store: ConnectionStore
  /** Null without ENCRYPTION_KEY: then what is sealed in the database cannot be used. */
  readonly sealer: Sealer | null
  /** Where `${NAME}` in the operator's file is looked up. */
  readonly environment: Environment
  readonly clock: Clock
  readonly logger: Logger
}

/** Writes that somebody else was faster than are decided anew this often. */
const pauseTriesMax = 10
/** How often files and the database are asked whether anything changed. */
export const pollMs = 2_000

/**
 * The connections and routes as they are now, of the connectors' documents, the operator's files and the database
 * together, with an open outlet for each connection that may send.
 */
export class OutletRegistry implements Outlets, ConnectionPauser, Component {
  readonly name = 'connections'
  readonly catalog: Catalog
  readonly live: LiveOutlets
  readonly #deps: RegistryDeps
  readonly #file: FileSource | null
  readonly #poller: Component
  readonly #stopping = new AbortController()
  #state: ConnectionState = emptyState
  /** What the state was put together of, to see whether it must be put together anew. */
  #built: { readonly entries: Catalog['entries']; readonly content: FileSource['content'] | null } | null = null
  /** What has been looked through for secrets under the previous key. */
  #resealed: ConnectionState['stored'] | null = null
  #refreshing: Promise<void> = Promise.resolve()
  readonly #pausing = new Map<Outlet, Promise<boolean>>()

  constructor({ connectionsFile, ...folders }: RegistrySettings, deps: RegistryDeps) {
    const { clock, logger, environment } = deps
    this.#deps = deps
    this.catalog = new Catalog(folders, deps)
    this.live = new LiveOutlets({ clock, logger })
    this.#file =
      connectionsFile === null ? null : new FileSource(connectionsFile, { catalog: this.catalog, environment, logger })
    this.#poller = makePoller('connections', pollMs, clock, () => this.#look(), warnUnlessAway(logger))
  }

  /** As of the last look, at most some seconds old; {@link refresh} looks now. */
  get state(): ConnectionState {
    return this.#state
  }

  routeFor({ channel, tags }: Pick<Claimed, 'channel' | 'tags'>): Route | null {
    const { routes } = this.#state
    for (const tag of tags) {
      const found = routes.get(routeKey({ channel, tag }))
      if (found !== undefined) return found.route
    }
    return routes.get(routeKey({ channel, tag: null }))?.route ?? null
  }

  outlet(id: ConnectionId): Outlet | null {
    return this.live.get(id)
  }

  async pause(outlet: Outlet, pause: Pick<ConnectionPause, 'code' | 'reason'>): Promise<boolean> {
    const pausing =
      this.#pausing.get(outlet) ?? this.#pauseNow(outlet, pause).finally(() => this.#pausing.delete(outlet))
    this.#pausing.set(outlet, pausing)
    return pausing
  }

  /**
   * Reads the files and the database once; while PostgreSQL is away, waits for it: without its connections and routes
   * nobody could tell where a message goes.
   * @throws Error that names a folder or every problem of a file that a setting points to.
   */
  async start(): Promise<void> {
    await this.catalog.open()
    await this.#file?.open()
    await this.#untilRead()
    await this.#reseal()
    await this.#poller.start()
  }

  /** Called after the sends have ended. */
  async stop(): Promise<void> {
    this.#stopping.abort(new DOMException('connections is stopping', 'AbortError'))
    await this.#poller.stop()
    await this.live.close()
  }

  /**
   * Asks the database whether anything changed, and gives the state after it.
   * @throws DependencyUnavailableError when PostgreSQL cannot be reached; the state stays.
   */
  async refresh(): Promise<ConnectionState> {
    // One after the other: an older answer must not overtake a newer one.
    const turn = this.#refreshing.then(() => this.#readStore())
    this.#refreshing = turn.catch(() => undefined)
    await turn
    return this.#state
  }

  async #look(): Promise<void> {
    await this.catalog.reload()
    await this.#file?.reload()
    this.#rebuildIfNeeded(this.#state.stored) // what files say does not wait for PostgreSQL
    await this.live.closeRetired()
    await this.refresh()
    await this.#reseal()
  }

  /** Not only at the start: while the key is replaced, processes that have the old one alone go on sealing under it. */
  async #reseal(): Promise<void> {
    if (this.#resealed === this.#state.stored) return
    try {
      await resealAll(this.#deps, () => this.refresh())
      this.#resealed = this.#state.stored
    } catch (error) {
      this.#deps.logger.warn('secrets were not sealed anew; the next look tries again', { error: messageOf(error) })
    }
  }

  async #readStore(): Promise<void> {
    const { store } = this.#deps
    const known = this.#state.stored
    const stored = (await store.revision()) === known.revision ? known : await store.read()
    this.#rebuildIfNeeded(stored)
  }

  #rebuildIfNeeded(stored: ConnectionState['stored']): void {
    const { entries } = this.catalog
    const content = this.#file?.content ?? null
    const built = this.#built
    if (stored === this.#state.stored && built?.entries === entries && built.content === content) return
    this.#built = { entries, content }
    const modifiedAt = this.#file?.modifiedAt ?? new Date(0)
    const file = { ...(content ?? { connections: [], routes: [] }), modifiedAt }
    this.#state = combine({ stored, file, catalog: this.catalog, sealer: this.#deps.sealer })
    this.live.sync(this.#state.connections.values())
  }

  async #untilRead(): Promise<void> {
    for (let tries = 1; !this.#stopping.signal.aborted; tries++) {
      try {
        await this.refresh()
        return
      } catch (error) {
        if (!(error instanceof DependencyUnavailableError)) throw error
        if (tries === 1) this.#deps.logger.warn('waiting for PostgreSQL to read the connections')
      }
      await this.#deps.clock.sleep(pollMs, this.#stopping.signal).catch(() => undefined)
    }
  }

  /** Each change makes another outlet, so only one that is live as of the revision that the write names is paused. */
  async #pauseNow(outlet: Outlet, pause: Pick<ConnectionPause, 'code' | 'reason'>): Promise<boolean> {
    const { id } = outlet
    for (let tries = 1; tries <= pauseTriesMax; tries++) {
      if (!this.live.isCurrent(outlet)) return false
      const saved = await this.#deps.store.pause(this.#state.stored.revision, id, pause)
      await this.refresh()
      if (saved.kind === 'stale') continue
      this.#deps.logger.warn('a connection is paused until somebody resumes it', { connection: id, ...pause })
      return true
    }
    throw new OverloadedError('connections are being changed too often at this moment')
  }
}

/** That PostgreSQL is away is said once, by whoever watches the link. */
function warnUnlessAway(logger: Logger): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof DependencyUnavailableError)) {
      logger.warn('connections were not read', { error: messageOf(error) })
    }
  }
}
