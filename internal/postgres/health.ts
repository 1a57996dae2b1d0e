import type { HealthCheck } from '../port/health.ts'
import type { PostgresPool, Statement } from './pool.ts'

const pingStatement: Statement<unknown> = { name: 'ping', text: 'SELECT 1' }

/** Give it a small pool of its own, so that a busy engine does not look like a dead database. */
export class PostgresHealth implements HealthCheck {
  readonly name = 'postgres'
  readonly #pool: PostgresPool

  constructor(pool: PostgresPool) {
    this.#pool = pool
  }

  async check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await this.#pool.run(pingStatement)
  }
}
