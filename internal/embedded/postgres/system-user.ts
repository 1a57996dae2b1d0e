import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { EmbeddedPostgresError } from './errors.ts'
import { runTool, type SystemUser } from './run-tool.ts'

export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/**
 * PostgreSQL refuses to run as root, so root hands it to an unprivileged user of the system.
 * @returns null for an ordinary user, who runs it as itself.
 */
export function unprivilegedUser(passwd: string = readPasswd()): SystemUser | null {
  if (!isRoot()) return null
  for (const name of ['postgres', 'nobody']) {
    const user = findUser(passwd, name)
    if (user !== null && user.uid !== 0) return user
  }
  throw new EmbeddedPostgresError(
    'PostgreSQL refuses to run as root and this system has neither a user "postgres" nor "nobody": run the engine as an ordinary user, or set DATABASE_URL to a PostgreSQL server.',
  )
}

export function findUser(passwd: string, name: string): SystemUser | null {
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find((line) => line[0] === name)
  const uid = Number(fields?.[2] ?? Number.NaN)
  const gid = Number(fields?.[3] ?? Number.NaN)
  // macOS gives `nobody` the id -2, which spawn() does not take.
  return Number.isInteger(uid) && Number.isInteger(gid) && uid >= 0 && gid >= 0 ? { name, uid, gid } : null
}

function readPasswd(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8')
  } catch {
    return ''
  }
}

/**
 * Whether `user` may enter `folder`: tried, not computed, since access lists, mounts and every parent have a say.
 * Programs find their files by full path, so a single closed parent is enough to stop them.
 */
export async function canEnter(folder: string, user: SystemUser | null): Promise<boolean> {
  const run = await runTool('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], { user, timeoutMs: 5_000 })
  return run.exitCode === 0
}

/** The folder itself, or its nearest parent that exists. */
export async function nearestExisting(folder: string): Promise<string> {
  for (let at = folder; ; at = path.dirname(at)) {
    const found = await stat(at).catch(() => null)
    if (found !== null || at === path.dirname(at)) return at
  }
}

/** The outermost folder on the way to `folder` that `user` may not enter, for the error message. */
export async function closedParent(folder: string, user: SystemUser | null): Promise<string> {
  const parents: string[] = [folder]
  for (let at = folder; at !== path.dirname(at); at = path.dirname(at)) parents.unshift(path.dirname(at))
  for (const parent of parents) if (!(await canEnter(parent, user))) return parent
  return folder
}
