import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../domain/errors.ts'
import type { Connector } from '../connector/compile.ts'
import { parseConnector } from '../connector/document.ts'
import type { Problem } from '../connector/problems.ts'
import { documentBytesMax } from '../connector/yaml.ts'
import { WatchedFile } from './watched-file.ts'

const extensions = /\.(?:ya?ml|json)$/i
const filesMax = 500

interface Watched {
  readonly file: WatchedFile
  /** The last version without problems. */
  connector: Connector | null
  problems: readonly Problem[]
}

/** A connector with the name of its file, without the folder. */
export interface ConnectorFile {
  readonly file: string
  readonly connector: Connector
}

/** The connector documents of one folder, read again when they change. */
export class ConnectorFolder {
  readonly path: string
  readonly #files = new Map<string, Watched>()

  constructor(path: string) {
    this.path = path
  }

  /** By file name; of a file that is broken now, as it last was. */
  get connectors(): readonly ConnectorFile[] {
    return this.#sorted().flatMap(([file, { connector }]) => (connector === null ? [] : [{ file, connector }]))
  }

  get problems(): readonly Problem[] {
    return this.#sorted().flatMap(([, { problems }]) => problems)
  }

  /**
   * @returns whether anything changed.
   * @throws the system's error when the folder cannot be read; what was read before stays.
   */
  async reload(): Promise<boolean> {
    const entries = await readdir(this.path)
    const names = entries.filter((name) => extensions.test(name) && !name.startsWith('.')).sort()
    if (names.length > filesMax)
      throw new Error(`it holds ${names.length} connector files, expected at most ${filesMax}`)
    let changed = false
    for (const name of this.#files.keys()) {
      if (!names.includes(name)) changed = this.#files.delete(name) || changed
    }
    for (const name of names) {
      const path = join(this.path, name)
      const watched = this.#files.get(name) ?? {
        file: new WatchedFile(path, documentBytesMax),
        connector: null,
        problems: [],
      }
      this.#files.set(name, watched)
      changed = (await reloadOne(watched)) || changed
    }
    return changed
  }

  #sorted(): readonly (readonly [string, Watched])[] {
    return [...this.#files].sort(([a], [b]) => (a < b ? -1 : 1))
  }
}

async function reloadOne(watched: Watched): Promise<boolean> {
  const { path } = watched.file
  try {
    const read = await watched.file.readIfChanged()
    if (read === null) return false
    const parsed = parseConnector(read.text, path)
    if (parsed.ok) watched.connector = parsed.connector
    watched.problems = parsed.ok ? [] : parsed.problems
    return true
  } catch (error) {
    const problem = problemOfFile(path, messageOf(error), 'a file that can be read')
    const known = watched.problems[0]?.found === problem.found
    watched.problems = [problem]
    return !known
  }
}

/** Of a file as a whole. */
export function problemOfFile(file: string, found: string, expected: string): Problem {
  return { file, line: 1, column: 1, path: '', found, expected, didYouMean: null }
}
