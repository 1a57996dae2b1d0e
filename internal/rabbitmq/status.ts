import type { Logger, Telemetry } from '../port/telemetry.ts'
import { errorText } from './keep-alive.ts'

/**
 * What works and what does not, in one place: a part is a connection, the publisher, a consumer or a queue. One log
 * line per change: an outage takes both connections, every channel and every consumer down, and is said once.
 */
export class BrokerStatus {
  readonly #logger: Logger
  readonly #telemetry: Pick<Telemetry, 'dependencyUp'>
  /** Part → why it does not work. */
  readonly #reasons = new Map<string, string>()
  /** Reasons said since the last time everything worked. */
  readonly #said = new Set<string>()
  #up = false

  constructor({ logger, telemetry }: { readonly logger: Logger; readonly telemetry: Pick<Telemetry, 'dependencyUp'> }) {
    this.#logger = logger
    this.#telemetry = telemetry
  }

  /** `part` belongs to what must work from here on; that it does not work yet is no news. */
  expect(part: string): void {
    const isFirst = this.#reasons.size === 0 && !this.#up
    this.#reasons.set(part, 'not ready yet')
    if (isFirst) this.#telemetry.dependencyUp('rabbitmq', false)
  }

  good(part: string): void {
    this.#reasons.delete(part)
    if (this.#reasons.size > 0 || this.#up) return
    this.#up = true
    this.#said.clear()
    this.#telemetry.dependencyUp('rabbitmq', true)
    this.#logger.info('rabbitmq is up')
  }

  /** @param level `error` for what a person must repair. */
  bad(part: string, error: unknown, level: 'warn' | 'error' = 'warn'): void {
    const reason = errorText(error)
    this.#reasons.set(part, reason)
    if (this.#up) this.#telemetry.dependencyUp('rabbitmq', false)
    this.#up = false
    if (this.#said.has(reason) || this.#said.size >= reasonsSaidMax) return
    this.#said.add(reason)
    this.#logger[level]('rabbitmq is not usable', { part, reason })
  }

  /** `part` is no longer wanted. */
  forget(part: string): void {
    if (this.#reasons.has(part)) this.good(part)
  }

  /** Null when all parts work. */
  get problem(): string | null {
    if (this.#reasons.size === 0) return null
    const distinct = new Map([...this.#reasons].map(([part, reason]) => [reason, part]))
    return [...distinct].map(([reason, part]) => `${part}: ${reason}`).join('; ')
  }
}

/** A reason that changes with every try must not fill the log during a long outage. */
const reasonsSaidMax = 20
