import { z } from 'zod'
import { type ScenarioName, scenarioNames } from './scenarios/names.ts'

export interface BenchSettings {
  readonly scenarios: readonly ScenarioName[]
  readonly repeats: number
  /** Sizes of everything, 1 = as documented. */
  readonly scale: number
  readonly peers: boolean
  /** Finished rows in `history`, at a scale of 1. */
  readonly history: number
  /** Compiled program of another version of the engine, measured in turns with this one; null = none. */
  readonly baseline: string | null
  /** Settings of the engine that differ from what the scenarios choose. */
  readonly engineSettings: Readonly<Record<string, string>>
  /** Writes CPU profiles of the engine and what its statements cost. */
  readonly profile: boolean
  readonly folder: string
}

const quickScale = 0.05

/** `1` and its relatives, as make users write them. */
const yesNo = (fallback: boolean) =>
  z
    .enum(['0', '1'], { error: 'expected 0 or 1' })
    .optional()
    .transform((text) => (text === undefined ? fallback : text === '1'))

const shape = z.object({
  SCENARIOS: z.string().optional(),
  REPEATS: z.coerce.number().int().min(1).max(20).optional(),
  QUICK: yesNo(false),
  SCALE: z.coerce.number().min(0.01).max(10).default(1),
  PEERS: yesNo(true),
  HISTORY: z.coerce.number().int().min(10_000).max(10_000_000).default(1_000_000),
  PROFILE: yesNo(false),
  BASELINE: z.string().optional(),
  ENGINE: z
    .string()
    .regex(/^\s*([A-Z_]+=\S*\s*)*$/, 'expected NAME=value pairs with blanks between them')
    .default(''),
  OUT: z.string().optional(),
})

/** What can be chosen, for `--help`. */
export const usage = `make bench: measures the engine and what people use instead, in turns on the same machine.

  SCENARIOS=drain,idle   some of: ${scenarioNames.join(', ')}
                         (default: all)
  REPEATS=3              turns of everybody in each scenario; the median counts
  SCALE=0.2              counts and times so many times as large
  QUICK=1                one turn of tiny sizes: shows that everything runs, measures nothing
  PEERS=0                only the engine, without BullMQ, pg-boss and graphile-worker
  HISTORY=10000000       finished rows in the scenario history, up to 10 million (1.1 kB of disk each; default: 1 million)
  BASELINE=file          dist/cmd/dispatch/main.js of another version, measured in turns with this one
  ENGINE="NAME=value …"  settings of the engine that differ from those of the scenarios
  PROFILE=1              CPU profiles of the engine and costs of its statements, in OUT
  OUT=folder             results.jsonl, report.md, profiles (default: a temporary folder)`

/** @throws Error with one sentence for the person at the terminal. */
export function readSettings(env: NodeJS.ProcessEnv, tmp: string): BenchSettings {
  const parsed = shape.safeParse(Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')))
  if (!parsed.success) {
    throw new Error(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
  }
  const { SCENARIOS, REPEATS, QUICK, SCALE, PEERS, HISTORY, PROFILE, BASELINE, ENGINE, OUT } = parsed.data
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '')
  return {
    scenarios: SCENARIOS === undefined ? scenarioNames : SCENARIOS.split(/[\s,]+/).map(scenarioNamed),
    repeats: REPEATS ?? (QUICK ? 1 : 3),
    scale: QUICK ? quickScale : SCALE,
    peers: PEERS,
    history: HISTORY,
    profile: PROFILE,
    baseline: BASELINE ?? null,
    engineSettings: Object.fromEntries(
      [...ENGINE.matchAll(/([A-Z_]+)=(\S*)/g)].map(([, name = '', value = '']) => [name, value]),
    ),
    folder: OUT ?? `${tmp}/dispatch-bench-${stamp}`,
  }
}

function scenarioNamed(word: string): ScenarioName {
  const found = scenarioNames.find((name) => name === word)
  if (found === undefined) throw new Error(`SCENARIOS: expected some of ${scenarioNames.join(', ')}, found "${word}"`)
  return found
}
