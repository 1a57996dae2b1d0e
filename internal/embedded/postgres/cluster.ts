import { randomBytes, randomUUID } from 'node:crypto'
import { chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Binaries } from './binaries.ts'
import type { DataFolder } from './data-folder.ts'
import { EmbeddedPostgresError } from './errors.ts'
import { runTool } from './run-tool.ts'

/** Role and database of the engine in its own cluster. */
export const clusterName = 'dispatch'
const toolTimeoutMs = 60_000

export function clusterUrl(port: number, password: string): string {
  return `postgres://${clusterName}:${encodeURIComponent(password)}@127.0.0.1:${port}/${clusterName}`
}

/** @returns null when there is no cluster yet, or its password got lost. */
export async function readPassword({ folder, dataFolder }: DataFolder): Promise<string | null> {
  const text = await readFile(path.join(folder, 'password'), 'utf8').catch(() => '')
  return text.trim() === '' || !(await exists(dataFolder)) ? null : text.trim()
}

/**
 * Creates the cluster if there is none, and gives it a new password if the old one is lost. The server must not run.
 * A cluster appears under its name only when it is complete, so a crash half-way leaves nothing that looks like one.
 * @returns the password.
 */
export async function prepareCluster(place: DataFolder, binaries: Binaries): Promise<string> {
  const known = await readPassword(place)
  if (known !== null) return known
  const password = randomBytes(24).toString('base64url')
  if (await exists(place.dataFolder)) {
    await singleUser(
      place,
      place.dataFolder,
      binaries,
      `ALTER ROLE ${clusterName} PASSWORD '${password}';\n`,
      clusterName,
    )
    await writePassword(place, password)
    return password
  }
  await removeDrafts(place.folder)
  await writePassword(place, password)
  const draft = path.join(place.folder, `draft-${randomUUID()}`)
  await initialise(place, draft, binaries, password)
  await singleUser(place, draft, binaries, `CREATE DATABASE ${clusterName} OWNER ${clusterName};\n`, 'postgres')
  await rename(draft, place.dataFolder)
  return password
}

async function initialise(place: DataFolder, draft: string, binaries: Binaries, password: string): Promise<void> {
  const secret = `${draft}.secret`
  try {
    await writeFile(secret, `${password}\n`, { flag: 'wx', mode: 0o600 })
    await handOver(place, secret)
    await makeFolder(place, draft)
    const args = ['-D', draft, '-U', clusterName, '--pwfile', secret, '-A', 'scram-sha-256', '-E', 'UTF8']
    args.push('--locale=C', '--data-checksums')
    const run = await runTool(binaries.initdb, args, { user: place.user, timeoutMs: toolTimeoutMs })
    if (run.exitCode !== 0) throw toolError('initdb', place, run.stderr)
  } finally {
    await rm(secret, { force: true })
  }
}

/** The server in single-user mode takes statements on its standard input: the package brings no client program. */
async function singleUser(
  place: DataFolder,
  dataFolder: string,
  binaries: Binaries,
  sql: string,
  database: string,
): Promise<void> {
  const args = ['--single', '-D', dataFolder, '-j', database]
  const run = await runTool(binaries.postgres, args, { user: place.user, input: sql, timeoutMs: toolTimeoutMs })
  // Errors of a statement leave the exit code at 0.
  if (run.exitCode !== 0 || /^.*(ERROR|FATAL|PANIC):/m.test(run.stderr))
    throw toolError('postgres --single', place, run.stderr)
}

async function makeFolder(place: DataFolder, folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 })
  await handOver(place, folder)
}

async function handOver({ user }: DataFolder, file: string): Promise<void> {
  if (user !== null) await chown(file, user.uid, user.gid)
}

/** Readable for the engine only; PostgreSQL itself keeps a hash. Replaced as a whole, so a crash cannot leave half of one. */
async function writePassword({ folder }: DataFolder, password: string): Promise<void> {
  const draft = path.join(folder, `draft-${randomUUID()}.password`)
  await writeFile(draft, `${password}\n`, { flag: 'wx', mode: 0o600 })
  await rename(draft, path.join(folder, 'password'))
}

async function removeDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith('draft-')) await rm(path.join(folder, name), { recursive: true, force: true, maxRetries: 5 })
  }
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(() => null)) !== null
}

function toolError(program: string, { folder }: DataFolder, stderr: string): EmbeddedPostgresError {
  const reason = stderr.trim().split('\n').slice(-4).join(' ')
  return new EmbeddedPostgresError(`The embedded PostgreSQL could not be set up in ${folder}: ${program}: ${reason}`)
}
