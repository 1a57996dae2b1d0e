import { DependencyUnavailableError } from '../domain/errors.ts'
import type { FailpointAction, FailpointName, FailpointRule } from '../domain/failpoint.ts'
import type { Clock } from '../port/clock.ts'
import type { Logger } from '../port/telemetry.ts'

export interface FailpointDeps {
  readonly logger: Logger
  readonly clock: Pick<Clock, 'sleep'>
  /** Ends the process at once, with nothing after it: SIGKILL. */
  readonly kill: () => void
}

export interface FailpointSettings {
  readonly rules: readonly FailpointRule[]
  /** The same seed and the same passages give the same hits. */
  readonly seed: number
}

/** What a `throw` throws. */
export class FailpointError extends Error {
  override readonly name = 'FailpointError'
  constructor(point: FailpointName) {
    super(`failpoint ${point}`)
  }
}

interface Armed {
  readonly rule: FailpointRule
  /** Each rule draws from a row of its own, so that traffic at one point does not change another's. */
  readonly random: () => number
  passed: number
}

/** Decides, at every passage of a point, whether something breaks there. Used by decorators over the ports only. */
export class Failpoints {
  readonly #armed: ReadonlyMap<FailpointName, readonly Armed[]>
  readonly #deps: FailpointDeps

  constructor({ rules, seed }: FailpointSettings, deps: FailpointDeps) {
    const armed = rules.map((rule, index) => ({ rule, random: seededRandom(seed + index * 7_919), passed: 0 }))
    this.#armed = Map.groupBy(armed, ({ rule }) => rule.point)
    this.#deps = deps
  }

  /**
   * One passage. The first rule that fires counts; all of them count the passage.
   * @param contents of the notifications in the call, where the point knows them.
   * @returns what is to happen, for {@link carryOut}; null = nothing.
   */
  draw(point: FailpointName, contents: readonly string[] = []): FailpointAction | null {
    let hit: FailpointAction | null = null
    for (const one of this.#armed.get(point) ?? []) if (fires(one, contents)) hit ??= one.rule.action
    if (hit !== null && hit.kind !== 'kill') this.#deps.logger.info('failpoint hit', { point, action: hit.kind })
    return hit
  }

  /**
   * One passage, carried out as far as it is the same everywhere.
   * @returns whether the caller must drop what it was about to do.
   * @throws FailpointError
   */
  async pass(point: FailpointName, contents: readonly string[] = []): Promise<'go on' | 'drop'> {
    return this.carryOut(point, this.draw(point, contents))
  }

  async carryOut(point: FailpointName, action: FailpointAction | null): Promise<'go on' | 'drop'> {
    if (action === null) return 'go on'
    switch (action.kind) {
      case 'kill':
        this.kill()
        return new Promise<never>(() => undefined) // a signal may take a moment: nothing must happen after it
      case 'throw':
        throw new FailpointError(point)
      case 'drop':
        return 'drop'
      case 'delay':
        await this.#deps.clock.sleep(action.delayMs)
        return 'go on'
    }
  }

  /** As {@link pass} for a statement: the link was lost before it, or after it and before the answer. */
  async passStatement(point: FailpointName, contents: readonly string[] = []): Promise<void> {
    if ((await this.pass(point, contents)) === 'go on') return
    throw new DependencyUnavailableError('postgres', `failpoint ${point} dropped the link`)
  }

  kill(): void {
    this.#deps.kill()
  }

  sleep(ms: number): Promise<void> {
    return this.#deps.clock.sleep(ms)
  }
}

function fires(armed: Armed, contents: readonly string[]): boolean {
  const { content, probability, nth } = armed.rule
  if (content !== null && !contents.some((one) => one.includes(content))) return false
  armed.passed++
  if (nth !== null && armed.passed !== nth) return false
  return probability >= 1 || armed.random() < probability
}

/** Mulberry32: small, and good enough to choose who breaks. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
