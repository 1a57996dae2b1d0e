import { accessSync, constants, readdirSync } from 'node:fs'
import path from 'node:path'

/** Programs of the three servers on this machine, null for a server that is not installed. */
export interface ServerPrograms {
  readonly postgres: { readonly initdb: string; readonly postgres: string } | null
  readonly redis: { readonly server: string } | null
  readonly rabbitmq: { readonly server: string; readonly epmd: string } | null
}

/**
 * Looks along `searchPath` (as `PATH`), in the folders that are missing from an ordinary user's PATH, and where Debian
 * and Homebrew keep programs outside it.
 */
export function findPrograms(searchPath: string): ServerPrograms {
  const folders = [...searchPath.split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin', '/opt/homebrew/bin'].filter(
    Boolean,
  )
  const initdb = findIn([...versionedFolders('/usr/lib/postgresql', 'bin'), ...folders], 'initdb', 'postgres')
  const redis = findIn(folders, 'redis-server')
  // Debian's /usr/sbin/rabbitmq-server wants root or its own user; the program behind it runs as anybody.
  const rabbitmq = findIn(['/usr/lib/rabbitmq/bin', ...folders], 'rabbitmq-server')
  const epmd = findIn([...folders, ...erlangFolders()], 'epmd')
  return {
    postgres: initdb === null ? null : { initdb, postgres: path.join(path.dirname(initdb), 'postgres') },
    redis: redis === null ? null : { server: redis },
    rabbitmq: rabbitmq === null || epmd === null ? null : { server: rabbitmq, epmd },
  }
}

/** The first folder's `name`, if all `others` lie beside it. */
function findIn(folders: readonly string[], name: string, ...others: readonly string[]): string | null {
  const found = folders.find((folder) => [name, ...others].every((one) => isProgram(path.join(folder, one))))
  return found === undefined ? null : path.join(found, name)
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** `<root>/<version>/<leaf>`, highest version first. */
function versionedFolders(root: string, leaf: string): string[] {
  return list(root)
    .sort((a, b) => Number.parseFloat(b) - Number.parseFloat(a))
    .map((version) => path.join(root, version, leaf))
}

function erlangFolders(): string[] {
  const roots = ['/usr/lib/erlang', '/usr/local/lib/erlang']
  const runtimes = roots.flatMap((root) =>
    list(root)
      .filter((name) => name.startsWith('erts-'))
      .map((name) => path.join(root, name)),
  )
  return [...roots, ...runtimes].map((folder) => path.join(folder, 'bin'))
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
