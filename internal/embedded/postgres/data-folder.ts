import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, chmod, mkdir, stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { EmbeddedPostgresError } from './errors.ts'
import type { SystemUser } from './run-tool.ts'
import { canEnter, closedParent, isRoot, nearestExisting, unprivilegedUser } from './system-user.ts'

export interface FolderSettings {
  /** `DATA_DIR`; null lets the supervisor choose. */
  readonly dataDir: string | null
  readonly projectRoot: string
  /** Where programs of this user keep their state (`XDG_STATE_HOME`); null: /var/lib for root, ~/.local/state for others. */
  readonly stateHome?: string | null
}

export interface DataFolder {
  /** Holds the cluster (`data`), its password, the log, the lock and the last port. */
  readonly folder: string
  /** The PostgreSQL cluster itself. */
  readonly dataFolder: string
  /** Who runs PostgreSQL; null: this process's own user. */
  readonly user: SystemUser | null
}

export function stateFolder(settings: FolderSettings): string {
  const home = settings.stateHome || (isRoot() ? '/var/lib' : path.join(os.homedir(), '.local', 'state'))
  return path.join(home, 'dispatch-engine')
}

/**
 * Chooses the folder and creates it. Without `DATA_DIR`: the project's `.data/postgres` where PostgreSQL's user can reach
 * it, else one below the state folder; whichever already holds a cluster goes first, so data never seems to vanish when
 * the rights on a parent folder change.
 * @throws EmbeddedPostgresError naming the folder and what is in the way.
 */
export async function openDataFolder(settings: FolderSettings): Promise<DataFolder> {
  if (settings.dataDir !== null) {
    const chosen = await describe(path.resolve(settings.projectRoot, settings.dataDir))
    const obstacle = await findObstacle(chosen)
    if (obstacle !== null) throw new EmbeddedPostgresError(`DATA_DIR cannot be used: ${obstacle}`)
    return create(chosen)
  }
  const projectKey = createHash('sha256').update(path.resolve(settings.projectRoot)).digest('hex').slice(0, 12)
  const candidates = [
    await describe(path.join(path.resolve(settings.projectRoot), '.data', 'postgres')),
    await describe(path.join(stateFolder(settings), projectKey, 'postgres')),
  ]
  const obstacles: string[] = []
  for (const candidate of candidates.sort((a, b) => Number(b.hasCluster) - Number(a.hasCluster))) {
    const obstacle = await findObstacle(candidate)
    if (obstacle === null) return create(candidate)
    obstacles.push(obstacle)
  }
  throw new EmbeddedPostgresError(`No folder for the embedded PostgreSQL (set DATA_DIR): ${obstacles.join('; ')}`)
}

interface Candidate extends DataFolder {
  readonly hasCluster: boolean
}

async function describe(folder: string): Promise<Candidate> {
  const dataFolder = path.join(folder, 'data')
  const cluster = await stat(dataFolder).catch(() => null)
  const usual = unprivilegedUser()
  // PostgreSQL insists on owning its files, so an existing cluster is run by its owner, whoever would be chosen today.
  const foreign = isRoot() && cluster !== null && cluster.uid !== 0 && cluster.uid !== usual?.uid
  const user = foreign ? { name: `uid ${cluster.uid}`, uid: cluster.uid, gid: cluster.gid } : usual
  return { folder, dataFolder, user, hasCluster: cluster !== null }
}

/** @returns what keeps PostgreSQL from using the folder, null when nothing does. Creates nothing. */
async function findObstacle({ folder, dataFolder, user, hasCluster }: Candidate): Promise<string | null> {
  const existing = await nearestExisting(folder)
  if (!(await stat(existing)).isDirectory()) return `${existing} is not a folder`
  if (!(await mayWrite(existing))) return `this user may not write into ${existing}`
  if (!(await canEnter(existing, user))) {
    const closed = await closedParent(existing, user)
    return `PostgreSQL runs as "${user?.name ?? os.userInfo().username}", which may not enter ${closed} on the way to ${folder}`
  }
  const owner = hasCluster ? (await stat(dataFolder)).uid : null
  if (!isRoot() && owner !== null && owner !== process.getuid?.()) return `${dataFolder} belongs to another user`
  return null
}

async function mayWrite(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function create({ folder, dataFolder, user }: Candidate): Promise<DataFolder> {
  const first = await mkdir(folder, { recursive: true, mode: 0o755 })
  // A strict umask would close the new folders to PostgreSQL's user; secrets inside have their own modes.
  if (first !== undefined && isRoot()) {
    for (let at = folder; at.length >= first.length; at = path.dirname(at)) await chmod(at, 0o755)
  }
  return { folder, dataFolder, user }
}
