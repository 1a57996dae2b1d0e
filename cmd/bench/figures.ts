import type { Figures } from './scenarios/scenario.ts'
import { type Spread, spreadOf } from './stats.ts'

/** One turn of one contender. */
export interface Turn {
  readonly scenario: string
  readonly contender: string
  /** From 1. */
  readonly repeat: number
  readonly figures: Figures
}

/** Every figure of a contender in a scenario, over its turns. */
export function summarise(
  turns: readonly Turn[],
  scenario: string,
  contender: string,
): Readonly<Record<string, Spread>> {
  const mine = turns.filter((turn) => turn.scenario === scenario && turn.contender === contender)
  const names = [...new Set(mine.flatMap(({ figures }) => Object.keys(figures)))]
  return Object.fromEntries(names.map((name) => [name, spreadOf(mine.flatMap(({ figures }) => figures[name] ?? []))]))
}

/** `answerP99Ms` → `answer p99, ms`; `endToEndPerSecond` → `end to end, /s`. */
export function titleOf(name: string): string {
  const [unit, shown] = unitOf(name)
  const words = name
    .slice(0, name.length - unit.length)
    .replaceAll(/([A-Z])/g, ' $1')
    .toLowerCase()
    .trim()
  return shown === '' ? words : `${words}, ${shown}`
}

const units = [
  ['PerSecond', '/s'],
  ['Ms', 'ms'],
  ['Us', 'µs'],
  ['Cores', 'cores'],
  ['Bytes', 'MiB'],
  ['Times', '×'],
] as const

function unitOf(name: string): readonly [string, string] {
  return units.find(([unit]) => name.endsWith(unit)) ?? ['', '']
}

export function show(name: string, value: number): string {
  const [unit] = unitOf(name)
  if (unit === 'Bytes') return (value / 2 ** 20).toFixed(value < 10 * 2 ** 20 ? 1 : 0)
  if (unit === 'Times') return value.toFixed(2)
  if (unit === 'Cores') return value.toFixed(value < 0.1 ? 3 : 2)
  if (unit === 'Ms') return value.toFixed(1)
  return Math.round(value).toLocaleString('en')
}

export function showSpread(name: string, { median, min, max }: Spread): string {
  return min === max ? show(name, median) : `${show(name, median)} (${show(name, min)}–${show(name, max)})`
}
