import { messageOf } from '../../domain/errors.ts'
import { channels } from '../../domain/notification.ts'
import type { Logger } from '../../port/telemetry.ts'
import type { Connector } from '../connector/compile.ts'
import { formatProblem, listOf, type Problem } from '../connector/problems.ts'
import { type ConnectorFile, ConnectorFolder, problemOfFile } from './connector-folder.ts'
import type { OutletKind } from './kind.ts'

/** Where a kind comes from: this program, the connectors shipped with it, or the operator's own folder. */
export type KindSource = 'built_in' | 'shipped' | 'own'

export interface CatalogEntry {
  readonly kind: OutletKind
  readonly source: KindSource
  /** Null for what is built in. */
  readonly file: string | null
}

export interface CatalogSettings {
  readonly shippedDir: string
  /** The operator's own connectors; null = none. */
  readonly ownDir: string | null
}

export interface CatalogDeps {
  readonly logger: Logger
  readonly builtIn: readonly OutletKind[]
  readonly kindOf: (connector: Connector) => OutletKind | null
}

/** Every kind of connection there is. */
export class Catalog {
  readonly #shipped: ConnectorFolder
  readonly #own: ConnectorFolder | null
  readonly #deps: CatalogDeps
  readonly #kinds = new WeakMap<Connector, OutletKind | null>()
  #entries: ReadonlyMap<string, CatalogEntry> = new Map()
  #problems: readonly Problem[] = []
  /** Lines that were logged already. */
  #told: ReadonlySet<string> = new Set()

  constructor({ shippedDir, ownDir }: CatalogSettings, deps: CatalogDeps) {
    this.#shipped = new ConnectorFolder(shippedDir)
    this.#own = ownDir === null ? null : new ConnectorFolder(ownDir)
    this.#deps = deps
  }

  /** By name; a new object whenever anything changed. */
  get entries(): ReadonlyMap<string, CatalogEntry> {
    return this.#entries
  }

  get problems(): readonly Problem[] {
    return this.#problems
  }

  /** Of `<id>@<version>`, or of the newest version of `<id>`. */
  lookUp(name: string): OutletKind | null {
    const exact = this.#entries.get(name)?.kind
    if (exact !== undefined) return exact
    const versions = [...this.#entries.values()].map(({ kind }) => kind).filter(({ id }) => id === name)
    return versions.sort((a, b) => b.version - a.version)[0] ?? null
  }

  /** @throws Error that names the folder, when it is not there: a wrong setting, or an incomplete installation. */
  async open(): Promise<void> {
    await reloadOrExplain('the connectors shipped with the engine', this.#shipped)
    if (this.#own !== null) await reloadOrExplain('CONNECTORS_DIR', this.#own)
    this.#rebuild(null)
  }

  /** Looks at the operator's own folder; the shipped one does not change. */
  async reload(): Promise<void> {
    if (this.#own === null) return
    const { path } = this.#own
    const wasAway = this.#problems.some(({ file }) => file === path)
    try {
      if ((await this.#own.reload()) || wasAway) this.#rebuild(null)
    } catch (error) {
      // Connectors do not vanish with a volume that is away for a while.
      if (!wasAway) this.#rebuild(problemOfFile(path, messageOf(error), 'a folder that can be read'))
    }
  }

  #rebuild(folderProblem: Problem | null): void {
    const own = this.#own?.connectors ?? []
    const problems = folderProblem === null ? [] : [folderProblem]
    problems.push(...this.#shipped.problems, ...(this.#own?.problems ?? []))
    const entries = new Map<string, CatalogEntry>()
    for (const kind of this.#deps.builtIn) entries.set(kind.name, { kind, source: 'built_in', file: null })
    const add = (source: KindSource, folder: string, { file, connector }: ConnectorFile) => {
      const kind = this.#kindOf(connector)
      const place = `${folder.replace(/\/$/, '')}/${file}`
      const known = entries.get(connector.name)
      if (kind === null) {
        const words = channels.map((channel) => channel.toLowerCase())
        problems.push({
          ...problemOfFile(place, `the channel ${connector.document.channel}`, listOf(words)),
          path: 'channel',
        })
      } else if (known === undefined) entries.set(kind.name, { kind, source, file })
      else {
        const found = `${connector.name}, which ${known.file ?? 'the engine itself'} is already`
        problems.push({ ...problemOfFile(place, found, 'an id and a version of its own'), path: 'version' })
      }
    }
    for (const one of this.#shipped.connectors) add('shipped', this.#shipped.path, one)
    for (const one of own) add('own', this.#own?.path ?? '', one)
    this.#entries = entries
    this.#problems = problems
    this.#tell()
  }

  #kindOf(connector: Connector): OutletKind | null {
    const known = this.#kinds.get(connector)
    if (known !== undefined) return known
    const kind = this.#deps.kindOf(connector)
    this.#kinds.set(connector, kind)
    return kind
  }

  #tell(): void {
    const lines = this.#problems.map(formatProblem)
    for (const line of lines.filter((one) => !this.#told.has(one))) {
      this.#deps.logger.warn('a connector is wrong; the last good version of it stays', { problem: line })
    }
    this.#told = new Set(lines)
  }
}

async function reloadOrExplain(what: string, folder: ConnectorFolder): Promise<void> {
  try {
    await folder.reload()
  } catch (error) {
    throw new Error(`${what}: the folder ${folder.path} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}
