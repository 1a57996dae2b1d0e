import { mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { messageOf } from '../../internal/domain/errors.ts'
import { Journal } from '../chaos/journal.ts'
import { program, requireBuild } from '../e2e/harness/program.ts'
import { version } from '../version.ts'
import { type Contender, variants } from './contenders/contender.ts'
import { engineContender, engineDefaults } from './contenders/engine.ts'
import { installPeers, peerContender, peerNames } from './contenders/peer.ts'
import { type Ground, openGround, postgresSettings, redisSettings } from './ground.ts'
import { Interrupted, untilInterrupted } from './interrupt.ts'
import { LoadGenerator } from './load.ts'
import { describeMachine } from './machine.ts'
import { summariseProfiles, writeStatements } from './profile.ts'
import { reportOf } from './report.ts'
import { scenarios as known } from './scenarios/table.ts'
import { type BenchSettings, readSettings, usage } from './settings.ts'
import { BenchSink } from './sink.ts'
import { takeTurns } from './turns.ts'

async function main(): Promise<number> {
  if (process.argv.includes('--help')) {
    console.log(usage)
    return 0
  }
  const settings = readSettings(process.env, os.tmpdir())
  requireBuild()
  mkdirSync(settings.folder, { recursive: true })
  const say = (line: string) => console.log(line)
  const signal = untilInterrupted(say)
  const peers = settings.peers ? installPeers(say) : {}
  const ground = await openGround(settings)
  try {
    const load = new LoadGenerator()
    const sink = await BenchSink.open()
    try {
      signal.throwIfAborted() // nothing before this looks
      return await measure(settings, { ground, load, sink, signal, say }, peers)
    } finally {
      await Promise.all([load.stop(), sink.stop()])
    }
  } finally {
    await ground.close()
  }
}

interface Parts {
  readonly ground: Ground
  readonly load: LoadGenerator
  readonly sink: BenchSink
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

async function measure(
  settings: BenchSettings,
  parts: Parts,
  peers: Readonly<Record<string, string>>,
): Promise<number> {
  const { folder, history, profile, repeats, scale } = settings
  const { ground, say } = parts
  const results = new Journal<unknown>(path.join(folder, 'results.jsonl'))
  const machine = describeMachine(ground)
  const stated = {
    'dispatch-engine': version,
    ...peers,
    'engine settings': pairs({ ...engineDefaults, ...settings.engineSettings }),
    'PostgreSQL settings': postgresSettings.join(' '),
    'Redis settings': redisSettings.join(' '),
    repeats: String(repeats),
    scale: scale === 1 ? '1' : `${scale}: not the sizes that are documented`,
  }
  results.add({ ...machine, ...stated })
  say(`${machine.processors}, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.commit}; results in ${folder}`)
  const scenarios = known.filter(({ name }) => settings.scenarios.includes(name))
  const onMeasured = async (contender: Contender, turn: string) => {
    const part = { engine: turn, connector: `${turn}-connector` }[contender.name]
    if (part !== undefined && ground.countsStatements) {
      await writeStatements(ground, path.join(folder, `${part}.statements.md`))
    }
  }
  const contenders = contendersFor(settings)
  const turns = await takeTurns({ ...parts, scale, history, onMeasured }, { scenarios, contenders, repeats, results })
  results.close()
  const report = reportOf(machine, stated, scenarios, turns)
  writeFileSync(path.join(folder, 'report.md'), `${report}\n`)
  if (profile) summariseProfiles(folder)
  say(`\n${report}`)
  return turns.failed === 0 ? 0 : 1
}

function contendersFor({ baseline, engineSettings, folder, peers, profile }: BenchSettings): readonly Contender[] {
  const profileFolder = profile ? folder : null
  const engine = { settings: engineSettings, program, kind: 'engine', profileFolder } as const
  const other = baseline === null ? null : path.resolve(baseline)
  return [
    engineContender({ ...engine, name: 'engine' }),
    ...(other === null ? [] : [engineContender({ ...engine, name: 'baseline', program: other, profileFolder: null })]),
    ...(peers ? peerNames.map(peerContender) : []),
    ...Object.entries(variants).map(([name, form]) => engineContender({ ...engine, ...form, name, kind: 'variant' })),
  ]
}

function pairs(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}

process.exit(
  await main().catch((error: unknown) => {
    console.error(messageOf(error))
    return error instanceof Interrupted ? error.exitCode : 2
  }),
)
