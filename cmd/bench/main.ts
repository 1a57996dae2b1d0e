import { mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { messageOf } from '../../internal/domain/errors.ts'
import { Journal } from '../chaos/journal.ts'
import { program, requireBuild } from '../e2e/harness/program.ts'
import { version } from '../version.ts'
import type { Contender } from './contenders/contender.ts'
import { engineContender, engineDefaults } from './contenders/engine.ts'
import { installPeers, peerContender, peerNames } from './contenders/peer.ts'
import { type Ground, openGround, postgresSettings, redisSettings } from './ground.ts'
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
  // Servers and processes go with this one.
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
  const peers = settings.peers ? installPeers((line) => console.log(line)) : {}
  const ground = await openGround(settings)
  const load = new LoadGenerator()
  const sink = await BenchSink.open()
  try {
    return await measure(settings, { ground, load, sink }, peers)
  } finally {
    await Promise.all([load.stop(), sink.stop()])
    await ground.close()
  }
}

interface Parts {
  readonly ground: Ground
  readonly load: LoadGenerator
  readonly sink: BenchSink
}

async function measure(
  settings: BenchSettings,
  parts: Parts,
  peers: Readonly<Record<string, string>>,
): Promise<number> {
  const { folder, scale, profile, repeats } = settings
  const say = (line: string) => console.log(line)
  const results = new Journal<unknown>(path.join(folder, 'results.jsonl'))
  const machine = await describeMachine(parts.ground)
  const stated = {
    'dispatch-engine': version,
    ...peers,
    'engine settings': pairs({ ...engineDefaults, ...settings.engineSettings }),
    'PostgreSQL settings': postgresSettings.join(' '),
    'Redis settings': redisSettings.join(' '),
    repeats: String(repeats),
    scale: scale === 1 ? '1' : `${scale}: smaller than documented, for a first look only`,
  }
  results.add({ ...machine, ...stated })
  say(`${machine.processors}, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.commit}; results in ${folder}`)
  const scenarios = known.filter(({ name }) => settings.scenarios.includes(name))
  const onMeasured = async (contender: Contender, turn: string) => {
    if (contender.name === 'engine' && parts.ground.countsStatements) {
      await writeStatements(parts.ground, path.join(folder, `${turn}.statements.md`))
    }
  }
  const contenders = contendersFor(settings)
  const turns = await takeTurns({ ...parts, scale, onMeasured }, { scenarios, contenders, repeats, results, say })
  results.close()
  const report = reportOf(machine, stated, scenarios, turns.done)
  writeFileSync(path.join(folder, 'report.md'), `${report}\n`)
  if (profile) summariseProfiles(folder)
  say(`\n${report}`)
  return turns.failed === 0 ? 0 : 1
}

function contendersFor({ baseline, engineSettings, folder, peers, profile }: BenchSettings): readonly Contender[] {
  const engine = { settings: engineSettings, profileFolder: null }
  return [
    engineContender({ ...engine, name: 'engine', program, profileFolder: profile ? folder : null }),
    ...(baseline === null ? [] : [engineContender({ ...engine, name: 'baseline', program: path.resolve(baseline) })]),
    ...(peers ? peerNames.map(peerContender) : []),
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
    return 2
  }),
)
