import type fc from 'fast-check'

/** A named step of a random course, for fast-check to print when it fails. */
export class Command<Real> implements fc.AsyncCommand<object, Real> {
  readonly #what: string
  readonly #act: (real: Real) => unknown

  constructor(what: string, act: (real: Real) => unknown) {
    this.#what = what
    this.#act = act
  }

  check(): boolean {
    return true
  }

  async run(_model: object, real: Real): Promise<void> {
    await this.#act(real)
  }

  toString(): string {
    return this.#what
  }
}
