import { isVariant } from './contenders/contender.ts'
import { show, showSpread, summarise, type Turn, titleOf } from './figures.ts'
import type { Machine } from './machine.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { spreadOf } from './stats.ts'
import type { Turns } from './turns.ts'

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
  { done, skipped }: Pick<Turns, 'done' | 'skipped'>,
): string {
  const about = Object.entries({ ...machine, ...settings }).map(([name, value]) => [name, String(value)])
  const parts = scenarios.flatMap((scenario) => {
    const reason = skipped[scenario.name]
    const rows = rowsOf(scenario, done)
    if (reason === undefined && rows === null) return []
    return [`## ${scenario.name}\n\n${scenario.about}.\n\n${rows === null ? `Skipped: ${reason}.` : tableOf(rows)}`]
  })
  const ratios = ratiosOf(scenarios, done)
  return [
    `# Benchmark\n\n${tableOf([['what', 'value'], ...about])}`,
    ...parts,
    ...(ratios.length === 0 ? [] : [`## Ratios\n\n${tableOf([['ratio', 'of medians', 'of each repeat'], ...ratios])}`]),
  ].join('\n\n')
}

function contendersIn(turns: readonly Turn[], scenario: string): string[] {
  return [...new Set(turns.filter((turn) => turn.scenario === scenario).map(({ contender }) => contender))]
}

type Summary = ReturnType<typeof summarise>

/** Median, and in brackets least and most. Null when nobody took a turn. */
function rowsOf({ name, who }: Scenario, turns: readonly Turn[]): string[][] | null {
  const summaries = contendersIn(turns, name).map((one) => [one, summarise(turns, name, one)] as const)
  const figures = [...new Set(summaries.flatMap(([, summary]) => Object.keys(summary)))]
  if (figures.length === 0) return null
  return who === 'nobody' ? figuresDown(summaries, figures) : contendersDown(summaries, figures)
}

function contendersDown(summaries: readonly (readonly [string, Summary])[], figures: readonly string[]): string[][] {
  return [
    ['who', ...figures.map(titleOf)],
    ...summaries.map(([name, summary]) => [name, ...figures.map((figure) => cellOf(summary, figure))]),
  ]
}

/** The conditions of a study across, and how many times as much the last one is as the first. */
function figuresDown(summaries: readonly (readonly [string, Summary])[], figures: readonly string[]): string[][] {
  const [first, ...others] = summaries.map(([, summary]) => summary)
  const last = others.at(-1)
  const timesOf = (figure: string) => {
    const [from, to] = [first?.[figure]?.median, last?.[figure]?.median]
    return from === undefined || to === undefined || from === 0 ? '–' : `${show('changeTimes', to / from)} ×`
  }
  return [
    ['figure', ...summaries.map(([name]) => name), ...(last === undefined ? [] : ['last / first'])],
    ...figures.map((figure) => [
      titleOf(figure),
      ...summaries.map(([, summary]) => cellOf(summary, figure)),
      ...(last === undefined ? [] : [timesOf(figure)]),
    ]),
  ]
}

function cellOf(summary: Summary, figure: string): string {
  const spread = summary[figure]
  return spread === undefined ? '–' : showSpread(figure, spread)
}

/**
 * How many times as much the engine does as everybody else in the same run, and its variants as the engine: name, of
 * medians, of the single repeats.
 */
export function ratiosOf(scenarios: readonly Scenario[], turns: readonly Turn[]): string[][] {
  return scenarios.flatMap((scenario) => {
    if (scenario.who === 'nobody' || scenario.headline === null) return []
    const { name, headline } = scenario
    const valuesIn = (contender: string) => valuesOf(turns, name, contender, headline)
    const others = contendersIn(turns, name).filter((contender) => contender !== engine)
    const rows = others.flatMap((other) => {
      const [over, under] = isVariant(other) ? [other, engine] : [engine, other]
      return ratioRow(`${name}: ${over} / ${under}`, valuesIn(over), valuesIn(under))
    })
    const bound = valuesOf(turns, 'bare', 'bare', 'deliveredPerSecond')
    return name === 'drain' ? [...rows, ...ratioRow(`${name}: ${engine} / bare`, valuesIn(engine), bound)] : rows
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

function ratioRow(title: string, over: ReadonlyMap<number, number>, under: ReadonlyMap<number, number>): string[][] {
  if (over.size === 0 || under.size === 0) return []
  const ofMedians = spreadOf([...over.values()]).median / spreadOf([...under.values()]).median
  const single = [...over].flatMap(([repeat, value]) => {
    const other = under.get(repeat)
    return other === undefined ? [] : [(value / other).toFixed(2)]
  })
  return [[title, `${ofMedians.toFixed(2)} ×`, single.join(', ')]]
}
