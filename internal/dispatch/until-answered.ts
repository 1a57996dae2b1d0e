import { DependencyUnavailableError } from '../domain/errors.ts'
import type { Clock } from '../port/clock.ts'

export interface Patience {
  readonly clock: Pick<Clock, 'sleep'>
  /** Aborts when the process must end: then nothing is repeated any more. */
  readonly giveUp: AbortSignal
}

const pauseMs = 250

/**
 * Repeats a write whose dependency was away until it is answered. Only for writes that may safely be repeated.
 * @param mayRepeat asked before each repeat.
 * @throws the last error once it may not be repeated; any other error at once.
 */
export async function untilAnswered<T>(
  write: () => Promise<T>,
  mayRepeat: () => boolean,
  { clock, giveUp }: Patience,
): Promise<T> {
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (!(error instanceof DependencyUnavailableError) || giveUp.aborted || !mayRepeat()) throw error
      await clock.sleep(pauseMs, giveUp).catch(() => undefined)
    }
  }
}
