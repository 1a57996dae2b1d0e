import { readFile, stat } from 'node:fs/promises'

/** A file and the state in which it was last read. */
export interface FileRead {
  readonly text: string
  readonly modifiedAt: Date
}

/**
 * Reads a file again whenever its time, size or inode has changed: also when a mounted volume swaps the link to it.
 */
export class WatchedFile {
  readonly path: string
  readonly #bytesMax: number
  #seen: string | null = null

  /** @param bytesMax of a longer file only the beginning is read, and so refused by whoever knows the bound. */
  constructor(path: string, bytesMax: number) {
    this.path = path
    this.#bytesMax = bytesMax
  }

  /**
   * @returns null when it is as it was at the last call.
   * @throws the system's error when it cannot be read; the next call tries again.
   */
  async readIfChanged(): Promise<FileRead | null> {
    try {
      const { mtimeMs, mtime, size, ino } = await stat(this.path)
      const signature = `${mtimeMs}:${size}:${ino}`
      if (signature === this.#seen) return null
      // One that is far too long is not read to say so.
      const text = size > this.#bytesMax ? ' '.repeat(this.#bytesMax + 1) : await readFile(this.path, 'utf8')
      this.#seen = signature
      return { text, modifiedAt: mtime }
    } catch (error) {
      this.#seen = null
      throw error
    }
  }
}
