import { messageOf } from '../../domain/errors.ts'
import type { Logger } from '../../port/telemetry.ts'
import { formatProblem, type Problem } from '../connector/problems.ts'
import { documentBytesMax } from '../connector/yaml.ts'
import type { Catalog } from './catalog.ts'
import { type FileContent, type ParsedConnections, parseConnections } from './connections-file.ts'
import { problemOfFile } from './connector-folder.ts'
import type { Environment } from './environment-values.ts'
import { type FileRead, WatchedFile } from './watched-file.ts'

export interface FileSourceDeps {
  readonly catalog: Pick<Catalog, 'entries'>
  /** Where `${NAME}` in the file is looked up. */
  readonly environment: Environment
  readonly logger: Logger
}

/** The operator's file of connections and routes. While it is broken, what it said before stays. */
export class FileSource {
  readonly #file: WatchedFile
  readonly #deps: FileSourceDeps
  #read: FileRead | null = null
  /** Entries that the content was checked against: connectors of the operator's own change too. */
  #against: Catalog['entries'] | null = null
  #content: FileContent = { connections: [], routes: [] }
  #modifiedAt = new Date(0)
  /** Of the text that was read last. */
  #problems: readonly Problem[] = []
  #told: ReadonlySet<string> = new Set()

  constructor(path: string, deps: FileSourceDeps) {
    this.#file = new WatchedFile(path, documentBytesMax)
    this.#deps = deps
  }

  /** A new object whenever anything changed. */
  get content(): FileContent {
    return this.#content
  }

  get modifiedAt(): Date {
    return this.#modifiedAt
  }

  /** @throws Error with every problem: a start with a wrong setting is refused. */
  async open(): Promise<void> {
    const problems = await this.#load()
    if (problems.length === 0) return
    throw new Error(
      ['CONNECTIONS_FILE has problems:', ...problems.map((one) => `  - ${formatProblem(one)}`)].join('\n'),
    )
  }

  /** Problems are logged, each once. */
  async reload(): Promise<void> {
    const lines = (await this.#load()).map(formatProblem)
    for (const line of lines.filter((one) => !this.#told.has(one))) {
      this.#deps.logger.warn('CONNECTIONS_FILE is wrong; what it said before stays', { problem: line })
    }
    if (this.#told.size > 0 && lines.length === 0) this.#deps.logger.info('CONNECTIONS_FILE is right again')
    this.#told = new Set(lines)
  }

  /** What is wrong now; told again until it is mended. */
  async #load(): Promise<readonly Problem[]> {
    const { path } = this.#file
    try {
      const changed = await this.#file.readIfChanged()
      if (changed !== null) this.#read = changed
      if (this.#read === null) return []
      const { entries } = this.#deps.catalog
      if (changed === null && this.#against === entries) return this.#problems
      this.#against = entries
      return this.#take(parseConnections(this.#read.text, path, this.#deps.catalog, this.#deps.environment), this.#read)
    } catch (error) {
      return [problemOfFile(path, messageOf(error), 'a file that can be read')]
    }
  }

  #take(parsed: ParsedConnections, { modifiedAt }: FileRead): readonly Problem[] {
    this.#problems = parsed.ok ? [] : parsed.problems
    if (parsed.ok) {
      this.#content = parsed.content
      this.#modifiedAt = modifiedAt
    }
    return this.#problems
  }
}
