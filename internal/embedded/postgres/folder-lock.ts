import { randomUUID } from 'node:crypto'
import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { EmbeddedPostgresError, errorCode } from './errors.ts'
import { isAlive, startMark } from './process-table.ts'

export interface FolderLock {
  /** Gives the folder free; safe to call twice. */
  release(): Promise<void>
}

const attemptsMax = 50
const lockName = /^engine\.lock\.(\d+)$/

/**
 * Takes the data folder for this process. Whoever died without giving it back, by kill -9 or power loss, never blocks:
 * the lock names the process by id and time of its start, so a reused id does not pass for the holder.
 *
 * A dead lock is not removed and made anew, since of two engines doing that the slower one removes the live lock of the
 * faster. Locks are numbered instead: the highest number counts, taking means creating the next one (atomic, one
 * winner), and only lower numbers are ever removed.
 * @throws EmbeddedPostgresError when a live process holds it, this one included.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const mine = JSON.stringify({ pid: process.pid, mark: startMark(process.pid) })
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const numbers = await readNumbers(folder)
    const highest = Math.max(0, ...numbers)
    const holder = highest === 0 ? null : await readHolder(lockFile(folder, highest))
    if (holder !== null && holds(holder)) throw lockedError(folder, holder.pid)
    const number = highest + 1
    if (!(await createLock(folder, number, mine))) continue
    const after = await readNumbers(folder)
    // A slow engine may create a number that was used and removed long ago: then a higher one exists, and that counts.
    const lost = after.some((other) => other > number)
    for (const other of lost ? [number] : after.filter((one) => one < number)) {
      await rm(lockFile(folder, other), { force: true })
    }
    if (!lost) return { release: makeRelease(folder, number) }
  }
  throw new EmbeddedPostgresError(`The data folder ${folder} is being taken by several engines at once; start again.`)
}

function lockFile(folder: string, number: number): string {
  return path.join(folder, `engine.lock.${number}`)
}

async function readNumbers(folder: string): Promise<number[]> {
  return (await readdir(folder)).flatMap((name) => lockName.exec(name)?.[1] ?? []).map(Number)
}

/** `link` fails when the name exists, and the lock is complete from its first moment, unlike one created and then written. */
async function createLock(folder: string, number: number, text: string): Promise<boolean> {
  const draft = path.join(folder, `engine.lock.${randomUUID()}`)
  await writeFile(draft, text, { flag: 'wx', mode: 0o644 })
  try {
    await link(draft, lockFile(folder, number))
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/** The number stays, without a holder, so that numbers never go back. */
function makeRelease(folder: string, number: number): () => Promise<void> {
  let released: Promise<void> | null = null
  return () => {
    // The folder may be gone; and a lock that cannot be given back ends with the process anyway.
    released ??= writeFile(lockFile(folder, number), 'free').catch(() => undefined)
    return released
  }
}

interface Holder {
  readonly pid: number
  readonly mark: string | null
}

/** @returns null when nobody holds it: given back, or removed since it was listed. */
async function readHolder(file: string): Promise<Holder | null> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (typeof value !== 'object' || value === null || !('pid' in value) || typeof value.pid !== 'number') return null
    return { pid: value.pid, mark: 'mark' in value && typeof value.mark === 'string' ? value.mark : null }
  } catch {
    return null
  }
}

function holds(holder: Holder): boolean {
  if (!isAlive(holder.pid)) return false
  const mark = startMark(holder.pid)
  return mark === null || holder.mark === null || mark === holder.mark
}

function lockedError(folder: string, pid: number): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `The data folder ${folder} is in use by another engine (process ${pid}): stop that one, or set DATA_DIR to a folder of its own for this one.`,
  )
}
