import type { Logger, Telemetry } from '../port/telemetry.ts'

/** Whether PostgreSQL can be reached, as all pools of a process together see it: one metric, one log line per change. */
export class DatabaseLink {
  readonly #telemetry: Pick<Telemetry, 'dependencyUp'>
  readonly #logger: Logger
  #up: boolean | null = null

  constructor(deps: { readonly telemetry: Pick<Telemetry, 'dependencyUp'>; readonly logger: Logger }) {
    this.#telemetry = deps.telemetry
    this.#logger = deps.logger
  }

  answered(): void {
    const wasDown = this.#up === false
    if (this.#up !== true) this.#telemetry.dependencyUp('postgres', true)
    this.#up = true
    if (wasDown) this.#logger.info('PostgreSQL is back', { dependency: 'postgres' })
  }

  lost(reason: string): void {
    if (this.#up === false) return
    this.#up = false
    this.#telemetry.dependencyUp('postgres', false)
    this.#logger.warn('PostgreSQL is away', { dependency: 'postgres', reason })
  }
}
