/**
 * Seed and number of runs of a random test. Fixed by default, so that a build is not broken by luck; a night's run sets
 * MODEL_SEED, and MODEL_RUNS multiplies the runs and their time.
 * @param bound `runs` at most, and none begun after `forMs`.
 */
export function runSettings(bound: { readonly runs: number; readonly forMs: number }) {
  const seed = Number(process.env['MODEL_SEED'] ?? 20_261)
  return {
    seed,
    numRuns: bound.runs * times(),
    interruptAfterTimeLimit: bound.forMs * times(),
    markInterruptAsFailure: false,
  }
}

/** When such a test has hung. */
export function hungAfterMs(forMs: number): number {
  return forMs * times() + 30_000
}

function times(): number {
  return Number(process.env['MODEL_RUNS'] ?? 1)
}

/** A line in the output of the run: how far a search went. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
