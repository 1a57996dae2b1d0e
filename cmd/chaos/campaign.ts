import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../internal/domain/errors.ts'
import { Random } from '../../internal/testkit/random.ts'
import { check, type Verdict } from './check/checker.ts'
import type { Violation } from './check/violation.ts'
import type { Fault, Heal } from './faults/fault.ts'
import { checkFigures } from './figures.ts'
import type { Rest } from './memory.ts'
import { drain, untilReady } from './recovery.ts'
import { RestWatch } from './rest-watch.ts'
import type { World } from './world.ts'

export interface CyclePlan {
  /** One for each cycle: the faults that happen at once. */
  readonly cycles: readonly (readonly Fault[])[]
  readonly checkEvery: number
  readonly seed: number
  readonly perSecond: number
  /** Before the first fault, so that memory can be compared at the end; 0 = it is not. */
  readonly warmUpMs: number
  /** Ends the campaign after the cycle that runs; what was done is checked. */
  readonly over?: AbortSignal
}

export interface CycleResult {
  readonly cycle: number
  readonly faults: readonly string[]
  readonly accepted: number
  /** From the end of the fault until every engine was ready. */
  readonly readyMs: number
}

export interface CheckResult {
  readonly cycle: number
  readonly verdict: Verdict
  /** All found so far, those of the process included. */
  readonly violations: readonly Violation[]
  readonly drainMs: number
  /** Since the last check. */
  readonly remarks: readonly string[]
  /** What each engine held at rest, before the first fault and now; only at the end. */
  readonly rests: readonly (readonly [first: Rest, last: Rest])[]
}

export interface Listener {
  onCycle(result: CycleResult): void
  onCheck(result: CheckResult): void
}

const lanes = 6

/** Runs a campaign in one world. @returns the last check, which is over everything. */
export async function runCampaign(world: World, plan: CyclePlan, listener: Listener): Promise<CheckResult> {
  const random = new Random(plan.seed)
  world.load.start({ lanes, perSecond: plan.perSecond })
  const watch = plan.warmUpMs === 0 ? null : await RestWatch.begin(world, plan.warmUpMs)
  const done: Fault[] = []
  let cycle = 0
  for (const faults of plan.cycles) {
    if (plan.over?.aborted === true) break
    cycle += 1
    done.push(...faults)
    listener.onCycle(await runCycle(world, cycle, faults, random.fork()))
    if (cycle === plan.cycles.length || cycle % plan.checkEvery !== 0) continue
    await world.load.stop()
    listener.onCheck(await checkWorld(world, cycle))
    world.load.start()
  }
  await watch?.warmUpNew()
  await world.load.stop()
  const checked = await checkWorld(world, cycle)
  const rests = (await watch?.judge()) ?? []
  const remarks = [...checked.remarks, ...unfulfilled(done, checked.verdict)]
  const last = { ...checked, rests, remarks, violations: [...world.wrong, ...checked.verdict.violations] }
  listener.onCheck(last)
  return last
}

/** Faults that are there to bring a certain duplicate about, when none came. */
function unfulfilled(done: readonly Fault[], { duplicates }: Verdict): readonly string[] {
  return done.flatMap(({ name, wants }) =>
    wants === undefined || duplicates.excused[wants] > 0 ? [] : [`${name} was to bring a ${wants} about: none came`],
  )
}

/** One cycle under load: a while in peace, the faults one after another, their ends, then recovery. */
async function runCycle(world: World, cycle: number, faults: readonly Fault[], random: Random): Promise<CycleResult> {
  const resetsBefore = countResets(world)
  const names = faults.map(({ name }) => name)
  await delay(random.between(100, 700))
  const ends: Promise<void>[] = []
  for (const fault of faults) {
    const overs = (fault.disturbs ?? []).map((subject) => world.evidence.disturb(subject, fault.name))
    const heal = await inject(world, fault, random, faults.length === 1)
    // Each ends at its own time: an engine that is started again may wait for a server that comes back later.
    ends.push(end(fault, heal, overs))
    if (faults.length > 1) await delay(random.between(0, 500))
  }
  await Promise.all(ends)
  const readyMs = await untilReady(world, performance.now(), `cycle ${cycle}, ${names.join(' + ')}`)
  if (faults.every(({ graceful }) => graceful === true)) judgeResets(world, resetsBefore, countResets(world), cycle)
  return { cycle, faults: names, accepted: world.load.counts.accepted, readyMs }
}

interface Resets {
  /** While the request was answered, or on a connection that the engine had answered on before. */
  readonly known: number
  /** On a new connection: whether the engine had begun to read the request, the client cannot tell. */
  readonly opening: number
}

function countResets({ load }: World): Resets {
  const { unanswered } = load.counts
  const known = (unanswered['ECONNRESET on a kept connection'] ?? 0) + (unanswered['ECONNRESET in an answer'] ?? 0)
  return { known, opening: unanswered['ECONNRESET'] ?? 0 }
}

/** A graceful stop answers what it was asked: no request may meet a reset. */
function judgeResets(world: World, before: Resets, after: Resets, cycle: number): void {
  const known = after.known - before.known
  const opening = after.opening - before.opening
  const where = `in a graceful stop (cycle ${cycle})`
  if (known > 0) world.wrong.push({ invariant: 0, text: `${known} requests in hand met a reset ${where}` })
  if (opening > 0) {
    const text = `${opening} requests on a new connection met a reset ${where}`
    world.wrong.push({ invariant: 0, text, isKnownGap: true })
  }
}

/** Beside others a fault may be impossible, as a lock on a database that is away; alone it must not be. */
async function inject(world: World, fault: Fault, random: Random, isAlone: boolean): Promise<Heal> {
  try {
    return await fault.inject(world, random)
  } catch (error) {
    if (isAlone) world.wrong.push({ invariant: 0, text: `the rig could not do ${fault.name}: ${messageOf(error)}` })
    return () => world.revive()
  }
}

async function end(fault: Fault, heal: Heal, overs: readonly (() => void)[]): Promise<void> {
  await delay(fault.holdMs)
  await heal()
  for (const over of overs) over()
}

/** Lets everything come to its end and holds it against the invariants. The client must be at rest. */
async function checkWorld(world: World, cycle: number): Promise<CheckResult> {
  const drainMs = await drain(world, `after cycle ${cycle}`)
  await delay(300) // what a target is just answering
  const verdict = check(await world.facts())
  await checkFigures(world)
  return {
    cycle,
    verdict,
    violations: [...world.wrong, ...verdict.violations],
    drainMs,
    remarks: world.remarks.splice(0),
    rests: [],
  }
}
