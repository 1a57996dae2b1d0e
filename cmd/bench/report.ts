import { showSpread, summarise, type Turn, titleOf } from './figures.ts'
import type { Machine } from './machine.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { spreadOf } from './stats.ts'

const engine = 'engine'

/** A Markdown table. */
export function tableOf(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), `|${head.map(() => '---|').join('')}`, ...body.map(line)].join('\n')
}

/** The machine, a table for each scenario, and the ratios. */
export function reportOf(
  machine: Machine,
  settings: Readonly<Record<string, string>>,
  scenarios: readonly Scenario[],
  turns: readonly Turn[],
): string {
  const about = Object.entries({ ...machine, ...settings }).map(([name, value]) => [name, String(value)])
  const parts = scenarios.flatMap((scenario) => {
    const rows = rowsOf(scenario, turns)
    return rows === null ? [] : [`## ${scenario.name}\n\n${scenario.about}.\n\n${tableOf(rows)}`]
  })
  const ratios = ratiosOf(scenarios, turns)
  return [
    `# Benchmark\n\n${tableOf([['what', 'value'], ...about])}`,
    ...parts,
    ...(ratios.length === 0 ? [] : [`## Ratios\n\n${tableOf([['ratio', 'of medians', 'of each repeat'], ...ratios])}`]),
  ].join('\n\n')
}

function contendersIn(turns: readonly Turn[], scenario: string): string[] {
  return [...new Set(turns.filter((turn) => turn.scenario === scenario).map(({ contender }) => contender))]
}

/** Contenders down, figures across: median, and in brackets least and most. */
function rowsOf(scenario: Scenario, turns: readonly Turn[]): string[][] | null {
  const contenders = contendersIn(turns, scenario.name)
  const summaries = contenders.map((name) => [name, summarise(turns, scenario.name, name)] as const)
  const figures = [...new Set(summaries.flatMap(([, summary]) => Object.keys(summary)))]
  if (figures.length === 0) return null
  return [
    ['who', ...figures.map(titleOf)],
    ...summaries.map(([name, summary]) => [
      name,
      ...figures.map((figure) => {
        const spread = summary[figure]
        return spread === undefined ? '–' : showSpread(figure, spread)
      }),
    ]),
  ]
}

/** How many times as much the engine does as everybody else in the same run: name, of medians, of the single repeats. */
export function ratiosOf(scenarios: readonly Scenario[], turns: readonly Turn[]): string[][] {
  return scenarios.flatMap(({ name, headline }) => {
    if (headline === null) return []
    const own = valuesOf(turns, name, engine, headline)
    if (own.size === 0) return []
    const others = contendersIn(turns, name).filter((contender) => contender !== engine)
    const rows = others.flatMap((other) => ratioRow(name, other, own, valuesOf(turns, name, other, headline)))
    const bound = valuesOf(turns, 'bare', 'bare', 'deliveredPerSecond')
    return name === 'drain' ? [...rows, ...ratioRow(name, 'bare', own, bound)] : rows
  })
}

function valuesOf(
  turns: readonly Turn[],
  scenario: string,
  contender: string,
  figure: string,
): ReadonlyMap<number, number> {
  const mine = turns.filter((turn) => turn.scenario === scenario && turn.contender === contender)
  return new Map(
    mine.flatMap(({ repeat, figures }) => (figures[figure] === undefined ? [] : [[repeat, figures[figure]]])),
  )
}

function ratioRow(
  scenario: string,
  other: string,
  own: ReadonlyMap<number, number>,
  theirs: ReadonlyMap<number, number>,
): string[][] {
  if (theirs.size === 0) return []
  const ofMedians = spreadOf([...own.values()]).median / spreadOf([...theirs.values()]).median
  const single = [...own].flatMap(([repeat, value]) => {
    const their = theirs.get(repeat)
    return their === undefined ? [] : [(value / their).toFixed(2)]
  })
  return [[`${scenario}: ${engine} / ${other}`, `${ofMedians.toFixed(2)} ×`, single.join(', ')]]
}
