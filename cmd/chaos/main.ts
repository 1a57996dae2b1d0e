import os from 'node:os'
import path from 'node:path'
import { messageOf } from '../../internal/domain/errors.ts'
import { Random } from '../../internal/testkit/random.ts'
import { version } from '../version.ts'
import { runCampaign } from './campaign.ts'
import type { Fault } from './faults/fault.ts'
import { chooseFaults, notDone } from './faults/table.ts'
import { Report } from './report.ts'
import { type CampaignSettings, readSettings, usage } from './settings.ts'
import { World } from './world.ts'

const killCyclesDefault = 100
const killCheckEvery = 50
/** Until memory at rest stays the same: code is compiled, caches and pools have their size. */
const warmUpMs = 20_000

async function main(): Promise<number> {
  if (process.argv.includes('--help')) {
    console.log(usage)
    return 0
  }
  const settings = readSettings(process.env, os.tmpdir())
  const chosen = chooseFaults(settings.faults)
  console.log(
    `profile ${settings.profile}, engines ${settings.replicas}, seed ${settings.seed}, logs in ${settings.folder}`,
  )
  const random = new Random(settings.seed)
  const world = await World.open({ ...settings, random: random.fork() })
  const over = untilInterrupted()
  try {
    const possible: Fault[] = []
    for (const fault of chosen) if (await isPossible(fault, world, settings)) possible.push(fault)
    for (const [what, why] of Object.entries(notDone)) console.log(`not done: ${what}: ${why}`)
    if (possible.length === 0) throw new Error('nothing is left to do')
    const { seed, perSecond } = settings
    const plan = { ...planOf(possible, settings, random), seed, perSecond, warmUpMs, over }
    const report = new Report(path.join(settings.folder, 'result.jsonl'), plan, (line) => console.log(line))
    report.begin({ ...settings, version, node: process.version, cpus: os.cpus().length, at: new Date().toISOString() })
    const last = await runCampaign(world, plan, report)
    report.finish(last, settings, world.peakBytes, world.load.counts.unanswered)
    return last.violations.length === 0 ? 0 : 1
  } finally {
    await world.close()
  }
}

/**
 * The first Ctrl-C (or SIGTERM) ends the campaign after the cycle that runs, with its table; the second one at once:
 * servers go with this process, engines are asked to stop.
 */
function untilInterrupted(): AbortSignal {
  const over = new AbortController()
  for (const [name, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(name, () => {
      if (over.signal.aborted) process.exit(exitCode)
      console.log('ends after this cycle and its check; once more ends at once')
      over.abort()
    })
  }
  return over.signal
}

async function isPossible(fault: Fault, world: World, { profile, replicas, mix }: CampaignSettings): Promise<boolean> {
  const obstacle =
    fault.profiles?.includes(profile) === false
      ? `not with the profile ${profile}`
      : (fault.replicasMin ?? 1) > replicas
        ? `needs REPLICAS=${fault.replicasMin}`
        : mix[1] > 1 && !isMixable(fault)
          ? 'not beside others'
          : ((await fault.skip?.(world)) ?? null)
  if (obstacle !== null) console.log(`skipped: ${fault.name}: ${obstacle}`)
  return obstacle === null
}

/** A stop owes its order only when nothing else is wrong, and a start with something away means just that. */
function isMixable({ graceful, alone, group }: Fault): boolean {
  return graceful !== true && alone !== true && group !== 'start' && !group.startsWith('failpoints')
}

function planOf(possible: readonly Fault[], settings: CampaignSettings, random: Random) {
  const [from, to] = settings.mix
  const quick = possible.length === 1 && to === 1
  const count = settings.cycles || (quick && possible[0]?.holdMs === 0 ? killCyclesDefault : possible.length)
  const cycles = Array.from({ length: count }, (_, index) => {
    const next = possible[index % possible.length]
    return to === 1 && next !== undefined ? [next] : random.sample(possible, random.between(from, to))
  })
  return { cycles, checkEvery: settings.checkEvery || (quick ? killCheckEvery : 1) }
}

process.exit(
  await main().catch((error: unknown) => {
    console.error(messageOf(error))
    return 2
  }),
)
