import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'

/** Beside the code, in the sources as well as in `dist`, where the build copies it. */
export const migrationsUrl = new URL('../../migrations/', import.meta.url)

export interface MigrationFile {
  readonly version: number
  /** `0001_notifications`. */
  readonly name: string
  readonly text: string
  /** Hex SHA-256 of the text with Unix line ends. */
  readonly checksum: string
  /** False when its first line says `-- no-transaction`. */
  readonly transactional: boolean
}

const fileNamePattern = /^(\d{4})_[a-z0-9_]+\.sql$/

/**
 * By version ascending.
 * @throws Error when a file is not named `NNNN_name.sql`, or two have one version.
 */
export async function readMigrationFiles(directory: URL): Promise<readonly MigrationFile[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort()
  const files = await Promise.all(names.map((name) => readOne(directory, name)))
  for (const [index, file] of files.entries()) {
    const before = files[index - 1]
    if (before?.version === file.version) {
      throw new Error(`migrations ${before.name} and ${file.name} have the same version ${file.version}`)
    }
  }
  return files
}

async function readOne(directory: URL, fileName: string): Promise<MigrationFile> {
  const version = fileNamePattern.exec(fileName)?.[1]
  if (version === undefined) {
    throw new Error(`migration ${fileName}: expected a name like 0002_add_receipts.sql (four digits, lower case)`)
  }
  const text = (await readFile(new URL(fileName, directory), 'utf8')).replaceAll('\r\n', '\n')
  return {
    version: Number(version),
    name: fileName.slice(0, -'.sql'.length),
    text,
    checksum: createHash('sha256').update(text).digest('hex'),
    transactional: !/^--\s*no-transaction\b/.test(text),
  }
}

/**
 * The statements of a file that runs outside a transaction: sent together they would be one transaction after all.
 * Each ends with a semicolon at the end of a line, so such a file must not hold function bodies.
 */
export function splitStatements(text: string): readonly string[] {
  return text
    .split(/;[ \t]*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement.replace(/^--.*$/gm, '').trim() !== '')
}
