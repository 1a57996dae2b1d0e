import type { Logger, StandInFor, Telemetry } from '../port/telemetry.ts'

const lines = {
  rabbitmq: {
    lost: 'dispatch is degraded: without rabbitmq, due notifications go straight from postgresql to the workers',
    back: 'dispatch is back to normal: rabbitmq carries notifications again',
  },
  /** The limiter's own lines say it all. */
  redis: null,
} as const satisfies Record<StandInFor, Readonly<Record<'lost' | 'back', string>> | null>

/**
 * Whether dispatch runs as it should or on its stand-ins: one metric, one log line per change, and the answer of the
 * probes. A dependency that was not there yet at the start is no news: its adapter says so.
 */
export class Degradation {
  readonly #logger: Logger
  readonly #telemetry: Pick<Telemetry, 'dispatchDegraded'>
  readonly #degraded = new Map<StandInFor, boolean>()

  constructor(deps: { readonly logger: Logger; readonly telemetry: Pick<Telemetry, 'dispatchDegraded'> }) {
    this.#logger = deps.logger
    this.#telemetry = deps.telemetry
  }

  /** Cheap to repeat: only a change does anything. */
  set(without: StandInFor, degraded: boolean): void {
    const before = this.#degraded.get(without)
    if (before === degraded) return
    this.#degraded.set(without, degraded)
    this.#telemetry.dispatchDegraded(without, degraded)
    const line = lines[without]
    if (before === undefined || line === null) return
    if (degraded) this.#logger.warn(line.lost)
    else this.#logger.info(line.back)
  }

  /** What dispatch does without now; empty when all is well. */
  get without(): readonly StandInFor[] {
    return [...this.#degraded].filter(([, degraded]) => degraded).map(([name]) => name)
  }
}
