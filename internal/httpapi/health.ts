import type { Clock } from '../port/clock.ts'
import type { Dependency, HealthCheck } from '../port/health.ts'

/** Longest time a check may take, and how long its answer is kept. */
export const checkDeadlineMs = 1_000
export const checkFreshMs = 1_000

export type CheckState = 'ok' | 'down'
export type CheckStates = Partial<Record<Dependency, CheckState>>

/** Says whether this process wants traffic: false from the first moment of a stop. */
export class Readiness {
  #stopping = false

  get stopping(): boolean {
    return this.#stopping
  }

  /** From now on `/readyz` answers 503. Cannot be taken back. */
  setStopping(): void {
    this.#stopping = true
  }
}

/** One load at a time for any number of askers, and its result for a second after: probes cannot become load. */
export class Cached<T> {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #load: () => Promise<T>
  #running: Promise<T> | null = null
  #last: { readonly value: T; readonly atMs: number } | null = null

  /** @param load must not reject. */
  constructor(clock: Pick<Clock, 'monotonicMs'>, load: () => Promise<T>) {
    this.#clock = clock
    this.#load = load
  }

  get(): Promise<T> {
    const last = this.#last
    if (last !== null && this.#clock.monotonicMs() - last.atMs < checkFreshMs) return Promise.resolve(last.value)
    this.#running ??= this.#loadOnce()
    return this.#running
  }

  async #loadOnce(): Promise<T> {
    try {
      const value = await this.#load()
      this.#last = { value, atMs: this.#clock.monotonicMs() }
      return value
    } finally {
      this.#running = null
    }
  }
}

/** Runs `work` under a deadline that holds even when `work` does not heed its signal. */
export async function within<T>(
  clock: Pick<Clock, 'timeout'>,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = clock.timeout(ms)
  const late = new Promise<never>((_resolve, reject) => {
    timeout.signal.addEventListener('abort', () => reject(timeout.signal.reason), { once: true })
  })
  try {
    return await Promise.race([work(timeout.signal), late])
  } finally {
    timeout.clear()
  }
}

/** The health checks of this process, run side by side. */
export class Checks {
  readonly #checks: readonly { readonly name: Dependency; readonly state: Cached<CheckState> }[]

  constructor(checks: readonly HealthCheck[], clock: Pick<Clock, 'monotonicMs' | 'timeout'>) {
    this.#checks = checks.map((check) => ({
      name: check.name,
      state: new Cached(clock, () => runCheck(check, clock)),
    }))
  }

  /** @param only asks for these alone. */
  async states(only?: readonly Dependency[]): Promise<CheckStates> {
    const asked = this.#checks.filter(({ name }) => only?.includes(name) ?? true)
    const states: CheckStates = {}
    await Promise.all(
      asked.map(async ({ name, state }) => {
        states[name] = 'down' // keeps the order of the checks in the answer
        states[name] = await state.get()
      }),
    )
    return states
  }
}

async function runCheck(check: HealthCheck, clock: Pick<Clock, 'timeout'>): Promise<CheckState> {
  try {
    await within(clock, checkDeadlineMs, (signal) => check.check(signal))
    return 'ok'
  } catch {
    return 'down'
  }
}
