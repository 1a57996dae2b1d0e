import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chown, type FileHandle, mkdir, mkdtemp, open, rename, rm, rmdir } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { messageOf } from '../../internal/domain/errors.ts'
import type { ControlledServer } from '../../internal/testkit/services/controlled-server.ts'

const run = promisify(execFile)
/** Room beside what is there already. */
const roomBytes = 128 * 1_048_576
const pieces = [1_048_576, 4_096]

/** @returns why no file system can be mounted here; null when one can. */
export async function obstacleToMount(): Promise<string | null> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'dispatch-mount-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])
    await run('umount', [folder])
    return null
  } catch (error) {
    return `mounts are not allowed here (${messageOf(error).split('\n').at(-2) ?? ''})`
  } finally {
    await rmdir(folder)
  }
}

/** A small file system under a folder of a PostgreSQL. The server is stopped while it moves there and back. */
export class SmallDisk {
  readonly #server: ControlledServer
  readonly #folder: string
  readonly #unmountAtExit: () => void
  #complaintsBefore = 0

  private constructor(server: ControlledServer, folder: string) {
    this.#server = server
    this.#folder = folder
    // Started, it does its work although this process is gone then.
    this.#unmountAtExit = () => void run('umount', ['-l', folder]).catch(() => undefined)
    process.once('exit', this.#unmountAtExit)
  }

  /** @param name of its data: all of it, or the log that every commit is written to first. */
  static async under(server: ControlledServer, name: 'data' | 'data/pg_wal'): Promise<SmallDisk> {
    const folder = path.join(server.place.folder, name)
    await server.end('SIGINT')
    await rename(folder, aside(folder))
    await mkdir(folder, { mode: 0o700 })
    const { stdout } = await run('du', ['-sb', aside(folder)])
    await run('mount', ['-t', 'tmpfs', '-o', `mode=0700,size=${Number.parseInt(stdout) + roomBytes}`, 'tmpfs', folder])
    const disk = new SmallDisk(server, folder)
    const { user } = server.place
    if (user !== null) await chown(folder, user.uid, user.gid)
    await run('cp', ['-a', `${aside(folder)}/.`, folder])
    await server.start()
    return disk
  }

  /** To the last byte. */
  async fill(): Promise<void> {
    this.#complaintsBefore = this.#allComplaints()
    const file = await open(this.#filler, 'a')
    try {
      for (const bytes of pieces) while (await wrote(file, bytes));
    } finally {
      await file.close()
    }
  }

  async free(): Promise<void> {
    await rm(this.#filler)
  }

  /** How often the server has said that there is no space since {@link fill}. */
  complaints(): number {
    return this.#allComplaints() - this.#complaintsBefore
  }

  /** Back to where the data was before. */
  async leave(): Promise<void> {
    await this.#server.end('SIGINT')
    await rm(aside(this.#folder), { recursive: true })
    await run('cp', ['-a', this.#folder, aside(this.#folder)])
    await run('umount', [this.#folder])
    process.off('exit', this.#unmountAtExit)
    await rmdir(this.#folder)
    await rename(aside(this.#folder), this.#folder)
    await this.#server.start()
  }

  #allComplaints(): number {
    const { place, name } = this.#server
    const output = readFileSync(path.join(place.folder, `${name}.out`), 'utf8')
    return output.match(/No space left on device/g)?.length ?? 0
  }

  get #filler(): string {
    return path.join(this.#folder, 'filler')
  }
}

function aside(folder: string): string {
  return `${folder}.large`
}

/** @returns whether there was room for all of it. */
async function wrote(file: FileHandle, bytes: number): Promise<boolean> {
  const done = await file.write(Buffer.alloc(bytes)).catch(() => null)
  return done?.bytesWritten === bytes
}
