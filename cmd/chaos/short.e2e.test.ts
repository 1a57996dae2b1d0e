import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { Random } from '../../internal/testkit/random.ts'
import { findPrograms } from '../../internal/testkit/services/find-programs.ts'
import { isChosen } from '../e2e/harness/profiles.ts'
import { runCampaign } from './campaign.ts'
import { chooseFaults } from './faults/table.ts'
import type { ProfileName } from './ground.ts'
import { viaShareDefault } from './settings.ts'
import { World } from './world.ts'

const killsAndStops = ['kill9', 'kill9', 'sigterm', 'kill9', 'sigterm', 'sigterm-then-kill9']
const losses = ['messages-garbage', 'rabbitmq-purged', 'redis-flushall', 'postgres-backends-terminated']
const onServices = [...killsAndStops, ...losses, 'kill9', 'postgres-restart-immediate']
const onBuiltIn = [...killsAndStops, 'postgres-backends-terminated', 'kill9']
/** The same choices at every run; `make chaos` runs the long campaigns with seeds of their own. */
const seed = 20_251
const perSecond = 150
const timeoutMs = 240_000

/** The rig ends and starts servers, so it wants programs on this machine: servers of somebody else are left alone. */
function hasServers(): boolean {
  const { postgres, rabbitmq, redis } = findPrograms(process.env['PATH'] ?? '')
  return postgres !== null && rabbitmq !== null && redis !== null
}

async function run(profile: ProfileName, words: readonly string[]) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'dispatch-chaos-'))
  const viaShare = viaShareDefault
  const world = await World.open({ profile, replicas: 1, folder, viaShare, random: new Random(seed) })
  try {
    const cycles = words.map((word) => chooseFaults([word]))
    const silent = { onCycle: () => undefined, onCheck: () => undefined }
    return await runCampaign(world, { cycles, checkEvery: cycles.length, seed, perSecond, warmUpMs: 0 }, silent)
  } finally {
    await world.close()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

// Known gaps fail `make chaos`; here they would hide whatever else a change breaks.
describe(`a short campaign (seed ${seed})`, () => {
  it.runIf(isChosen('services') && hasServers())(
    'loses nothing and repeats nothing without an excuse on PostgreSQL, RabbitMQ and Redis',
    async () => {
      const { verdict, violations } = await run('services', onServices)
      expect(violations.filter(({ isKnownGap }) => isKnownGap !== true)).toEqual([])
      expect(verdict).toMatchObject({ lost: 0, duplicates: { unexcused: 0 } })
      expect(verdict.accepted).toBeGreaterThan(500)
    },
    timeoutMs,
  )

  it.runIf(isChosen('embedded'))(
    'loses nothing and repeats nothing without an excuse on built-in parts',
    async () => {
      const { verdict, violations } = await run('embedded', onBuiltIn)
      expect(violations.filter(({ isKnownGap }) => isKnownGap !== true)).toEqual([])
      expect(verdict).toMatchObject({ lost: 0, duplicates: { unexcused: 0 } })
      expect(verdict.accepted).toBeGreaterThan(200)
    },
    timeoutMs,
  )
})
