import type { Writable } from 'node:stream'

/** Bytes that may wait for a slow reader; beyond it new lines are dropped and counted. */
export const waitingBytesMax = 4_194_304

/**
 * Writes lines without ever making the caller wait: a log collector that has stopped reading must not stop the engine.
 * (A pipe as standard output is written in the background; files and terminals at once.)
 */
export class BoundedOutput {
  readonly #stream: Writable
  readonly #dropNotice: (dropped: number) => string
  /** Since the last line that was written. */
  #dropped = 0
  #droppedInAll = 0
  #broken = false

  /** @param dropNotice makes the line that tells how many were dropped, written once there is room again. */
  constructor(stream: Writable, dropNotice: (dropped: number) => string) {
    this.#stream = stream
    this.#dropNotice = dropNotice
    stream.on('error', () => {
      this.#broken = true // nobody will ever read: the engine goes on without a log rather than ending over it
    })
  }

  /** @param line ends in a line feed. */
  write(line: string): void {
    if (this.#broken) return
    if (this.#stream.writableLength >= waitingBytesMax) {
      this.#dropped++
      this.#droppedInAll++
      return
    }
    if (this.#dropped > 0) this.#stream.write(this.#dropNotice(this.#dropped))
    this.#dropped = 0
    this.#stream.write(line)
  }

  /** How much waits, how much may, and how many lines were dropped since the start. */
  get backlog(): { readonly waitingBytes: number; readonly waitingBytesMax: number; readonly dropped: number } {
    return { waitingBytes: this.#stream.writableLength, waitingBytesMax, dropped: this.#droppedInAll }
  }

  /** Resolves when everything is written, or can never be, or after `withinMs`. */
  async flush(withinMs: number): Promise<void> {
    if (this.#broken || this.#stream.writableLength === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      this.#stream.write('', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}
