import type { FieldError } from '../domain/errors.ts'
import { HttpProblem, listedErrorsMax } from './problem.ts'

/** Collects what is wrong with a request, so that a client can mend it in one round. Lists are bounded. */
export class Findings {
  readonly #errors: FieldError[] = []
  readonly #warnings: FieldError[] = []
  #errorCount = 0

  /** `message` goes on after the path: `expected …, found …`. */
  error(path: string, code: string, message: string): void {
    if (this.hasRoomForErrors) this.#errors.push({ path, code, message: `${path}: ${message}` })
    this.#errorCount++
  }

  warning(path: string, code: string, message: string): void {
    if (this.hasRoomForWarnings) this.#warnings.push({ path, code, message: `${path}: ${message}` })
  }

  /** Asked before a text is made that costs something. */
  get hasRoomForErrors(): boolean {
    return this.#errors.length < listedErrorsMax
  }

  get hasRoomForWarnings(): boolean {
    return this.#warnings.length < listedErrorsMax
  }

  /** `count` more errors that are not listed. */
  unlisted(count: number): void {
    this.#errorCount += count
  }

  get errorCount(): number {
    return this.#errorCount
  }

  get warnings(): readonly FieldError[] {
    return this.#warnings
  }

  /** @throws HttpProblem 400 that names every field, up to 100. */
  throwIfAny(): void {
    const [first] = this.#errors
    if (first === undefined) return
    const more = this.#errorCount - 1
    const unlisted = this.#errorCount > listedErrorsMax ? `, the first ${listedErrorsMax} of them are listed` : ''
    const rest = more === 0 ? '' : ` (and ${more} more ${more === 1 ? 'error' : 'errors'}${unlisted})`
    throw new HttpProblem('invalid_request', `${first.message}${rest}`, {
      errors: this.#errors,
      warnings: this.#warnings,
    })
  }
}
