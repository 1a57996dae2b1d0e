import { closeSync, openSync, writeSync } from 'node:fs'

/** Lines of JSON in a file, each there before `add` returns: what a crash of this program leaves behind is complete. */
export class Journal<T> {
  readonly file: string
  readonly entries: T[] = []
  readonly #descriptor: number

  constructor(file: string) {
    this.file = file
    this.#descriptor = openSync(file, 'a')
  }

  add(entry: T): void {
    writeSync(this.#descriptor, `${JSON.stringify(entry)}\n`)
    this.entries.push(entry)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}
