import { messageOf } from '../../internal/domain/errors.ts'
import type { Journal } from '../chaos/journal.ts'
import type { Contender } from './contenders/contender.ts'
import { show, summarise, type Turn, titleOf } from './figures.ts'
import type { Bench, Scenario } from './scenarios/scenario.ts'
import { sharedNowMs } from './time.ts'

export interface TurnsOptions {
  readonly scenarios: readonly Scenario[]
  /** In the order of their turns. */
  readonly contenders: readonly Contender[]
  readonly repeats: number
  readonly results: Journal<unknown>
  readonly say: (line: string) => void
}

export interface Turns {
  readonly done: readonly Turn[]
  readonly failed: number
}

/** Enough to see on the way how it goes. */
const figuresSaid = 4
const aloneContender: Contender = { name: 'bare', open: () => Promise.reject(new Error('nobody to open')) }

/**
 * Everybody in turns, A B C A B C: what the machine does meanwhile hits all of them alike. A turn that fails is told and
 * left out.
 */
export async function takeTurns(
  bench: Omit<Bench, 'deadlineMs' | 'found' | 'turn'>,
  { scenarios, contenders, repeats, results, say }: TurnsOptions,
): Promise<Turns> {
  const done: Turn[] = []
  let failed = 0
  const found: Bench['found'] = (scenario, contender, figure) =>
    summarise(done, scenario, contender)[figure]?.median ?? null
  for (const scenario of scenarios) {
    for (let repeat = 1; repeat <= repeats; repeat++) {
      for (const contender of takingPart(scenario, contenders)) {
        const name = `[${scenario.name} ${repeat}/${repeats}] ${contender.name}`
        const beganMs = sharedNowMs()
        const key = { scenario: scenario.name, contender: contender.name, repeat }
        try {
          const turn = { ...bench, found, turn: `${scenario.name}-${repeat}`, deadlineMs: beganMs + scenario.limitMs }
          const figures = await scenario.run(turn, contender)
          done.push({ ...key, figures })
          results.add({ ...key, figures })
          say(`${name}: ${summaryOf(figures)} (${((sharedNowMs() - beganMs) / 1_000).toFixed(0)} s)`)
        } catch (error) {
          failed += 1
          results.add({ ...key, error: messageOf(error) })
          say(`${name}: FAILED: ${messageOf(error)}`)
        }
      }
    }
  }
  return { done, failed }
}

function takingPart({ who }: Scenario, contenders: readonly Contender[]): readonly Contender[] {
  if (who === 'alone') return [aloneContender]
  return who === 'engine' ? contenders.filter(({ name }) => isEngine(name)) : contenders
}

function isEngine(name: string): boolean {
  return name === 'engine' || name === 'baseline'
}

function summaryOf(figures: Turn['figures']): string {
  return Object.entries(figures)
    .slice(0, figuresSaid)
    .map(([name, value]) => `${titleOf(name)} ${show(name, value)}`)
    .join('; ')
}
