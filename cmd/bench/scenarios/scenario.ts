import type { Contender, Running } from '../contenders/contender.ts'
import type { Ground } from '../ground.ts'
import { orAborted } from '../interrupt.ts'
import type { LoadGenerator } from '../load.ts'
import type { BenchSink } from '../sink.ts'
import type { ScenarioName } from './names.ts'

/** What every scenario works with. */
export interface Bench {
  readonly ground: Ground
  readonly sink: BenchSink
  readonly load: LoadGenerator
  /** Sizes of everything, 1 = as documented. */
  readonly scale: number
  /** A turn that is not over by then (shared clock) is given up. */
  readonly deadlineMs: number
  /** Finished rows in `history`, at a scale of 1. */
  readonly history: number
  /** Says that the run is to end. */
  readonly signal: AbortSignal
  readonly say: (line: string) => void
  /** Names this turn in files: `drain-2`. */
  readonly turn: string
  /** Told when a contender is about to be stopped. */
  readonly onMeasured: (contender: Contender, turn: string) => Promise<void>
  /** What an earlier scenario of this run found: the median of a figure; null when it did not run. */
  found(scenario: ScenarioName, contender: string, figure: string): number | null
}

/** Figures by name; the unit is the end of the name: PerSecond, Ms, Us, Cores, Bytes, Times. */
export type Figures = Readonly<Record<string, number>>

interface Described {
  readonly name: ScenarioName
  /** One sentence for the report. */
  readonly about: string
  /** One turn is given up after this long. */
  readonly limitMs: number
}

/** Contenders do the same, one after another. */
export interface Contest extends Described {
  /** The figure by which contenders are compared; more is better. Null = not compared. */
  readonly headline: string | null
  /** Who takes part: all but the variants, the engine and its baseline, or those of these names. */
  readonly who: 'everybody' | 'engine' | readonly string[]
  run(bench: Bench, contender: Contender): Promise<Figures>
}

/** Needs no contender: a limit of the machine, or the cost of a part under several conditions. */
export interface Study extends Described {
  readonly who: 'nobody'
  /** The figures of each condition. @throws Skipped when this machine does not allow it. */
  run(bench: Bench): Promise<Readonly<Record<string, Figures>>>
}

export type Scenario = Contest | Study

/** Not measured, for the reason in the message. */
export class Skipped extends Error {}

/** Opens a contender on clean ground, uses it, and stops it whatever happens. */
export async function withRunning<T>(
  { ground, sink, turn, signal, onMeasured }: Bench,
  contender: Contender,
  concurrency: number,
  use: (running: Running) => Promise<T>,
): Promise<T> {
  await ground.clean()
  await sink.reset()
  const running = await contender.open({ ground, sink, concurrency, turn })
  try {
    const result = await orAborted(use(running), signal)
    await onMeasured(contender, turn)
    return result
  } finally {
    await running.stop()
  }
}

/** `full` in a run of ordinary size; a whole number, at least `least`. */
export function scaled({ scale }: Pick<Bench, 'scale'>, full: number, least = 1): number {
  return Math.max(least, Math.round(full * scale))
}

/** As {@link scaled}, but for a run that only shows that everything works: code must be compiled before it is measured. */
export function warming(bench: Pick<Bench, 'scale'>, full: number): number {
  return bench.scale < 0.1 ? scaled(bench, full) : full
}
