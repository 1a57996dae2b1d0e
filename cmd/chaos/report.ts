import type { CheckResult, CycleResult, Listener } from './campaign.ts'
import { Journal } from './journal.ts'
import type { CampaignSettings } from './settings.ts'

const shownMax = 5

/** Progress for people, results for programs. */
export class Report implements Listener {
  readonly #results: Journal<unknown>
  readonly #cycles: number
  readonly #say: (line: string) => void
  readonly #startedMs = performance.now()
  #longestReadyMs = 0
  #longestDrainMs = 0
  #violationsShown = 0
  #done = 0

  constructor(file: string, cycles: number, say: (line: string) => void) {
    this.#results = new Journal(file)
    this.#cycles = cycles
    this.#say = say
  }

  begin(about: Readonly<Record<string, unknown>>): void {
    this.#results.add(about)
  }

  onCycle(result: CycleResult): void {
    this.#results.add(result)
    this.#done = result.cycle
    this.#longestReadyMs = Math.max(this.#longestReadyMs, result.readyMs)
    const count = `[${String(result.cycle).padStart(String(this.#cycles).length)}/${this.#cycles}]`
    const what = result.faults.join(' + ').padEnd(30)
    this.#say(`${count} ${what} accepted ${result.accepted}, ready after ${seconds(result.readyMs)}`)
  }

  onCheck({ cycle, verdict, violations, drainMs, remarks }: CheckResult): void {
    this.#longestDrainMs = Math.max(this.#longestDrainMs, drainMs)
    this.#results.add({ check: cycle, drainMs, ...verdict, violations, remarks })
    const { duplicates, lost } = verdict
    const repeats = `${duplicates.afterTaken + duplicates.afterSilence} repeats, ${duplicates.unexcused} without an excuse`
    this.#say(`  checked: lost ${lost}, ${repeats}, ${violations.length} violations, drained in ${seconds(drainMs)}`)
    for (const remark of remarks) this.#say(`  ${remark}`)
    for (const { invariant, text } of violations.slice(this.#violationsShown, this.#violationsShown + shownMax)) {
      this.#say(`  VIOLATION of invariant ${invariant}: ${text}`)
    }
    this.#violationsShown = violations.length
  }

  /** The table at the end, as docs/RELIABILITY.md holds it. */
  finish(
    last: CheckResult,
    settings: CampaignSettings,
    peakBytes: number,
    unanswered: Readonly<Record<string, number>>,
  ) {
    const { verdict, violations } = last
    const { D1, D2, D3, D4 } = verdict.duplicates.excused
    const rows: readonly (readonly [string, string | number])[] = [
      ['profile, engines, seed', `${settings.profile}, ${settings.replicas}, ${settings.seed}`],
      ['cycles', this.#done],
      ['accepted', verdict.accepted],
      ['deliveries', verdict.deliveries],
      ['lost', verdict.lost],
      ['repeats after a 2xx', verdict.duplicates.afterTaken],
      ['repeats after no answer', verdict.duplicates.afterSilence],
      ['… with an excuse (D1, D2, D3, D4)', `${D1}, ${D2}, ${D3}, ${D4}`],
      ['… without an excuse', verdict.duplicates.unexcused],
      ['violations', violations.length],
      ['longest recovery to ready', seconds(this.#longestReadyMs)],
      ['longest drain', seconds(this.#longestDrainMs)],
      ['peak memory of an engine', `${Math.round(peakBytes / 1_048_576)} MiB`],
      [
        'ends',
        Object.entries(verdict.byEnd)
          .map(([end, count]) => `${end} ${count}`)
          .join(', '),
      ],
      ['requests without an answer', JSON.stringify(unanswered)],
      ['took', seconds(performance.now() - this.#startedMs)],
    ]
    this.#results.add({ result: Object.fromEntries(rows) })
    this.#results.close()
    const wide = Math.max(...rows.map(([name]) => name.length))
    this.#say('')
    for (const [name, value] of rows) this.#say(`| ${name.padEnd(wide)} | ${value} |`)
    const [first] = violations
    if (first !== undefined)
      this.#say(`\nseed ${settings.seed}, first violation (invariant ${first.invariant}): ${first.text}`)
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
