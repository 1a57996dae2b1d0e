import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'

const logBytesMax = 10 * 1024 * 1024

/** PostgreSQL's own log file, kept small: it is emptied once it is larger than 10 MiB. */
export class ServerLog {
  readonly file: string
  #startedAtByte = 0

  constructor(folder: string) {
    this.file = path.join(folder, 'server.log')
  }

  /** For handing to the server; the caller closes it. Text from here on is what `recent` shows. */
  async open(): Promise<FileHandle> {
    await this.trim()
    // Never through a symbolic link: as root, somebody else could have put one there.
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW
    const handle = await open(this.file, flags, 0o600)
    this.#startedAtByte = (await handle.stat()).size
    return handle
  }

  /** What the server wrote since `open`, at most the last 4 KiB. */
  async recent(): Promise<string> {
    const handle = await open(this.file, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const { size } = await handle.stat()
      const begin = this.#startedAtByte <= size ? this.#startedAtByte : 0 // emptied meanwhile
      const from = Math.max(begin, size - 4_096)
      const buffer = Buffer.alloc(Math.max(0, size - from))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, from)
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await handle.close()
    }
  }

  /** The server appends, so the file can be emptied while it runs. */
  async trim(): Promise<void> {
    const handle = await open(this.file, constants.O_WRONLY | constants.O_NOFOLLOW).catch(() => null)
    if (handle === null) return
    try {
      if ((await handle.stat()).size <= logBytesMax) return
      await handle.truncate(0)
      this.#startedAtByte = 0
    } finally {
      await handle.close()
    }
  }
}
