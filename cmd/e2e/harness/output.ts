/** The end of what a process wrote, enough to see why a test failed; the beginning goes once there is too much. */
export class RecentOutput {
  readonly #charactersMax: number
  #text = ''
  #cut = false

  constructor(charactersMax: number) {
    this.#charactersMax = charactersMax
  }

  add(text: string): void {
    this.#text += text
    if (this.#text.length <= this.#charactersMax * 2) return // cut now and then, not with every line
    this.#text = this.#text.slice(-this.#charactersMax)
    this.#cut = true
  }

  get text(): string {
    return this.#cut ? `… ${this.#text}` : this.#text
  }

  /** The last `count` lines of those that `tell` something. */
  last(count: number, tell: (line: string) => boolean): string {
    return this.#text.trimEnd().split('\n').filter(tell).slice(-count).join('\n')
  }
}
