import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hungAfterMs, runSettings, say } from '../testkit/model/seed.ts'
import type { Planted } from '../testkit/model/steps.ts'
import { judge } from '../testkit/model/verdict.ts'
import { World } from '../testkit/model/world.ts'
import { anyCourse, faultlessCourse } from '../testkit/model/world-commands.ts'

/** Real accept, worker, deliver, settle, scan, cancel and replay; virtual time, database, broker, target and clients. */
function property(course: typeof anyCourse, faults: boolean, bugs: readonly Planted[] = []) {
  const total = { runs: 0, rows: 0, sends: 0, duplicates: 0, steps: 0 }
  const rates = fc.constantFrom(0, 0, 1, 20)
  const run = fc.asyncProperty(fc.nat(), rates, course, async (seed, perSecond, commands) => {
    const world = new World({ seed, perSecond, faults, bugs: new Set(bugs) })
    await world.startProcess()
    await world.startProcess()
    await fc.asyncModelRun(() => ({ model: {}, real: world }), commands)
    const isDrained = await world.drain()
    const verdict = judge(world)
    const [first] = verdict.wrong
    if (first !== undefined) throw new Error(first)
    if (!isDrained) throw new Error(`${world.store.unfinished} rows never finished`)
    total.runs++
    total.rows += verdict.rows
    total.sends += verdict.sends
    total.duplicates += verdict.duplicates
    total.steps += world.time.steps
  })
  return { run, total }
}

describe('the engine over a simulated world', () => {
  it(
    'finishes every row once, repeats only with an excuse, whatever dies, is lost, late or repeated',
    async () => {
      const { run, total } = property(anyCourse, true)
      await fc.assert(run, runSettings({ runs: 150, forMs: 6_000 }))
      say(`model, with faults: ${JSON.stringify(total)}`)
      expect(total.runs).toBeGreaterThan(5)
      expect(total.duplicates).toBeGreaterThan(0)
    },
    hungAfterMs(6_000),
  )

  it(
    'sends nothing twice while nothing but the broker fails and restarts are graceful',
    async () => {
      const { run, total } = property(faultlessCourse, false)
      await fc.assert(run, runSettings({ runs: 60, forMs: 3_000 }))
      say(`model, without faults: ${JSON.stringify(total)}`)
      expect(total).toMatchObject({ duplicates: 0 })
      expect(total.sends).toBeGreaterThan(100)
    },
    hungAfterMs(6_000),
  )

  const mistakes: readonly (readonly [bug: Planted, what: RegExp])[] = [
    ['claim_ignores_token', /too early/],
    ['settle_ignores_token', /\(/],
    ['sweep_keeps_token', /left it open/],
    ['sweep_ignores_lease', /\(/],
    ['sweep_forgets_attempt', /attempts are/],
    ['release_keeps_attempt', /attempts are/],
    ['late_success_ignored', /left it open/],
    ['retry_is_due_at_once', /too early/],
    ['outage_looks_final', /without an excuse/],
  ]
  it.each(mistakes)(
    'finds %s',
    async (bug, what) => {
      const { run } = property(anyCourse, true, [bug])
      const found = await fc.check(run, { seed: 7, numRuns: 3_000, endOnFailure: true })
      say(`model, ${bug}: found in run ${found.numRuns}`)
      expect(String(found.errorInstance)).toMatch(what)
    },
    60_000,
  )
})
