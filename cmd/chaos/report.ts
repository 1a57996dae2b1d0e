import type { CheckResult, CyclePlan, CycleResult, Listener } from './campaign.ts'
import { Journal } from './journal.ts'
import { mib, type Rest } from './memory.ts'
import type { CampaignSettings } from './settings.ts'

const shownMax = 5
/** Beside the time that its faults last: load before, recovery after, a part of the checks. */
const cycleAtFirstMs = 10_000

/** Progress for people, results for programs. */
export class Report implements Listener {
  readonly #results: Journal<unknown>
  readonly #holdsMs: readonly number[]
  readonly #say: (line: string) => void
  readonly #startedMs = performance.now()
  #longestReadyMs = 0
  #longestDrainMs = 0
  #violationsShown = 0
  #done = 0

  constructor(file: string, { cycles, warmUpMs }: CyclePlan, say: (line: string) => void) {
    this.#results = new Journal(file)
    this.#holdsMs = cycles.map((faults) => Math.max(0, ...faults.map(({ holdMs }) => holdMs)))
    this.#say = say
    say(`${cycles.length} cycles, about ${inWords(this.#leftMs() + warmUpMs)}`)
  }

  get #cycles(): number {
    return this.#holdsMs.length
  }

  /** What is left takes as long as it lasts, and beside that what the cycles so far took on an average. */
  #leftMs(): number {
    const sum = (some: readonly number[]) => some.reduce((total, ms) => total + ms, 0)
    const tookMs = performance.now() - this.#startedMs
    const besideMs = this.#done === 0 ? cycleAtFirstMs : (tookMs - sum(this.#holdsMs.slice(0, this.#done))) / this.#done
    const left = this.#holdsMs.slice(this.#done)
    return sum(left) + left.length * Math.max(0, besideMs)
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
    const left = this.#done === this.#cycles ? '' : `, ${inWords(this.#leftMs())} left`
    this.#say(`${count} ${what} accepted ${result.accepted}, ready after ${seconds(result.readyMs)}${left}`)
  }

  onCheck({ cycle, verdict, violations, drainMs, remarks, rests }: CheckResult): void {
    this.#longestDrainMs = Math.max(this.#longestDrainMs, drainMs)
    this.#results.add({ check: cycle, drainMs, ...verdict, violations, remarks, rests })
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
    const { verdict, violations, rests } = last
    const { D1, D2, D3, D4 } = verdict.duplicates.excused
    const rows: readonly (readonly [string, string | number])[] = [
      ['profile, engines, seed', `${settings.profile}, ${settings.replicas}, ${settings.seed}`],
      ['cycles', this.#done === this.#cycles ? this.#done : `${this.#done} of ${this.#cycles}, ended early`],
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
      ...rests.flatMap(([first, now], index) => restRows(index, first, now)),
      ['ends', counted(verdict.byEnd)],
      ['deliveries over connections', counted(verdict.byConnection)],
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

function counted(some: Readonly<Record<string, number>>): string {
  return Object.entries(some)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}

function restRows(index: number, first: Rest, now: Rest): readonly (readonly [string, string])[] {
  const held = ({ heapBytes, outsideBytes }: Rest) => mib(heapBytes + outsideBytes)
  return [
    [`engine ${index + 1} at rest: held memory`, `${held(first)} → ${held(now)}`],
    [`engine ${index + 1} at rest: resident memory`, `${mib(first.residentBytes)} → ${mib(now.residentBytes)}`],
    [`engine ${index + 1} at rest: open files`, `${first.files} → ${now.files}`],
  ]
}

function inWords(ms: number): string {
  return ms < 90_000 ? `${Math.ceil(ms / 1_000)} s` : `${Math.ceil(ms / 60_000)} min`
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
