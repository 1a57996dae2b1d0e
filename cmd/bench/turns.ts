import { messageOf } from '../../internal/domain/errors.ts'
import type { Contender } from './contenders/contender.ts'
import { show, summarise, type Turn, titleOf } from './figures.ts'
import { type Bench, type Contest, type Figures, type Scenario, Skipped } from './scenarios/scenario.ts'
import { sharedNowMs } from './time.ts'

export interface TurnsOptions {
  readonly scenarios: readonly Scenario[]
  /** In the order of their turns. */
  readonly contenders: readonly Contender[]
  readonly repeats: number
  readonly results: { add(entry: unknown): void }
}

export interface Turns {
  readonly done: readonly Turn[]
  /** Why scenarios were not measured, by their name. */
  readonly skipped: Readonly<Record<string, string>>
  readonly failed: number
}

/** Enough to see on the way how it goes. */
const figuresSaid = 4

/** What takes its turn: a contender, or a study for all of its conditions. */
interface Part {
  readonly name: string
  measure(bench: Bench): Promise<Readonly<Record<string, Figures>>>
}

/**
 * Everybody in turns, A B C A B C: what the machine does meanwhile hits all of them alike. A turn that fails is told and
 * left out.
 * @throws the signal's reason when the run is to end.
 */
export async function takeTurns(
  bench: Omit<Bench, 'deadlineMs' | 'found' | 'turn'>,
  { scenarios, contenders, repeats, results }: TurnsOptions,
): Promise<Turns> {
  const done: Turn[] = []
  const skipped: Record<string, string> = {}
  let failed = 0
  const found: Bench['found'] = (scenario, contender, figure) =>
    summarise(done, scenario, contender)[figure]?.median ?? null
  const takeTurn = async (scenario: Scenario, part: Part, repeat: number) => {
    bench.signal.throwIfAborted()
    const title = `[${scenario.name} ${repeat}/${repeats}]`
    const key = { scenario: scenario.name, contender: part.name, repeat }
    const beganMs = sharedNowMs()
    const turn = { ...bench, found, turn: `${scenario.name}-${repeat}`, deadlineMs: beganMs + scenario.limitMs }
    try {
      for (const [contender, figures] of Object.entries(await part.measure(turn))) {
        done.push({ ...key, contender, figures })
        results.add({ ...key, contender, figures })
        bench.say(`${title} ${contender}: ${summaryOf(figures)} (${((sharedNowMs() - beganMs) / 1_000).toFixed(0)} s)`)
      }
    } catch (error) {
      bench.signal.throwIfAborted()
      const reason = messageOf(error)
      if (error instanceof Skipped) skipped[scenario.name] = reason
      else failed += 1
      results.add({ ...key, [error instanceof Skipped ? 'skipped' : 'error']: reason })
      bench.say(`${title} ${part.name}: ${error instanceof Skipped ? 'skipped' : 'FAILED'}: ${reason}`)
    }
  }
  for (const scenario of scenarios) {
    for (let repeat = 1; repeat <= repeats; repeat++) {
      if (skipped[scenario.name] !== undefined) break
      for (const part of partsOf(scenario, contenders)) await takeTurn(scenario, part, repeat)
    }
  }
  return { done, skipped, failed }
}

function partsOf(scenario: Scenario, contenders: readonly Contender[]): readonly Part[] {
  if (scenario.who === 'nobody') return [{ name: scenario.name, measure: (bench) => scenario.run(bench) }]
  return takingPart(scenario, contenders).map((contender) => ({
    name: contender.name,
    measure: async (bench) => ({ [contender.name]: await scenario.run(bench, contender) }),
  }))
}

function takingPart({ who }: Contest, contenders: readonly Contender[]): readonly Contender[] {
  if (who === 'everybody') return contenders.filter(({ kind }) => kind !== 'variant')
  if (who === 'engine') return contenders.filter(({ kind }) => kind === 'engine')
  return contenders.filter(({ name }) => who.includes(name))
}

function summaryOf(figures: Figures): string {
  return Object.entries(figures)
    .slice(0, figuresSaid)
    .map(([name, value]) => `${titleOf(name)} ${show(name, value)}`)
    .join('; ')
}
