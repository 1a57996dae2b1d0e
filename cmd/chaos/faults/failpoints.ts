import { existsSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type FailpointName, failpointNames, isStopFailpoint } from '../../../internal/domain/failpoint.ts'
import type { Random } from '../../../internal/testkit/random.ts'
import { projectRoot } from '../../project-root.ts'
import type { World } from '../world.ts'
import type { Fault } from './fault.ts'

/** Of the protocol, and of the steps of the stop. */
const points = failpointNames.filter((name) => !isStopFailpoint(name))
const stops = failpointNames.filter(isStopFailpoint)

/** Points whose loss or failure the protocol repairs without sending twice. */
const harmless = {
  drop: ['publish.before', 'publish.confirm', 'receive', 'ack'],
  throw: ['publish.before', 'publish.confirm', 'scan.before', 'sweep.before', 'claim.before'],
} as const satisfies Record<string, readonly FailpointName[]>
const firesWithinMs = 8_000
const stopWithinMs = 15_000
const poisonHoldMs = 55_000

/** The compiled engine knows failpoints only since a certain version. */
export function withoutFailpoints(): string | null {
  const compiled = path.join(projectRoot, 'dist/internal/domain/failpoint.js')
  return existsSync(compiled) ? null : 'the compiled engine has no failpoints'
}

/** An engine starts with a failpoint, which ends it at its n-th passage. */
function killAt(point: FailpointName): Fault {
  return {
    name: `kill-at-${point}`,
    group: 'failpoints',
    about: `the process ends at ${point}`,
    holdMs: 0,
    skip: withoutFailpoints,
    async inject(world, random) {
      const replica = random.pick(world.replicas)
      await replica.kill9()
      replica.launch(failpoint(`${point}=kill#${random.between(1, 40)}`, random), true)
      if (!(await replica.died(firesWithinMs))) await replica.kill9()
      return () => reviveWithout(world)
    },
  }
}

/** An orderly stop ends in the middle of itself. */
function killAtStop(point: (typeof stops)[number]): Fault {
  const component = point.slice('stop.'.length)
  return {
    name: `kill-at-stop-of-${component.replaceAll(' ', '-')}`,
    group: 'failpoints',
    about: `the process ends while it stops, before ${component}`,
    holdMs: 0,
    skip: withoutFailpoints,
    async inject(world, random) {
      const replica = random.pick(world.replicas)
      await replica.kill9()
      replica.launch(failpoint(`${point}=kill`, random), true)
      await replica.engine.untilReady()
      await delay(random.between(100, 600))
      replica.engine.signal('SIGTERM')
      if (!(await replica.died(stopWithinMs))) await replica.kill9()
      return () => reviveWithout(world)
    },
  }
}

/** Every engine runs with a failpoint for a while. */
function softened(action: string, point: FailpointName): Fault {
  return {
    name: `${action.replace(':', '-')}-at-${point}`,
    group: 'failpoints-soft',
    about: `${action} at one in five passages of ${point}`,
    holdMs: 4_000,
    skip: withoutFailpoints,
    async inject(world, random) {
      for (const replica of world.replicas) {
        await replica.terminate()
        await replica.start(failpoint(`${point}=${action}@0.2`, random))
      }
      return async () => {
        await Promise.all(world.replicas.map((replica) => replica.terminate()))
        await reviveWithout(world)
      }
    },
  }
}

/** Whatever its delivery does to processes: it ends as FAILED after its budget, and the others get through. */
const poison: Fault = {
  name: 'poison',
  group: 'failpoints',
  about: 'a notification that ends the process at each delivery; somebody starts it again each time',
  holdMs: poisonHoldMs,
  skip: withoutFailpoints,
  async inject(world, random) {
    const settings = failpoint('send.afterBytes=kill?content=POISON', random)
    for (const replica of world.replicas) {
      await replica.kill9()
      replica.launch(settings, true)
    }
    const item = { ...world.load.make({ share: 0, scripts: ['200'] }), content: 'POISON', maxRetries: 2, tags: [] }
    const over = new AbortController()
    const supervise = async () => {
      while (!over.signal.aborted) {
        for (const replica of world.replicas) if (!replica.isRunning) replica.launch(settings, true)
        await delay(50)
      }
    }
    const supervising = supervise()
    await world.load.send([item])
    return async () => {
      over.abort()
      await supervising
      await Promise.all(world.replicas.map((replica) => replica.kill9()))
      await reviveWithout(world)
      await expectFailed(world, item.idempotencyKey)
    }
  },
}

async function expectFailed({ history, wrong }: World, key: string): Promise<void> {
  const rows = await history.rows()
  const row = rows.find((one) => one.key === key)
  if (row?.status === 'FAILED') return
  wrong.push({ invariant: 1, text: `a notification that kills processes is ${row?.status ?? 'gone'}, not FAILED` })
}

export function failpoint(text: string, random: Random): Readonly<Record<string, string>> {
  return { FAILPOINTS: text, FAILPOINT_SEED: String(random.between(1, 1_000_000)) }
}

/** Starts every engine that does not run, without failpoints. */
export async function reviveWithout({ replicas }: World): Promise<void> {
  const without = { FAILPOINTS: undefined, FAILPOINT_SEED: undefined }
  await Promise.all(replicas.filter(({ isRunning }) => !isRunning).map((replica) => replica.start(without)))
}

export const failpointFaults: readonly Fault[] = [
  ...points.map(killAt),
  ...stops.map(killAtStop),
  ...points.map((point) => softened('delay:700', point)),
  ...harmless.drop.map((point) => softened('drop', point)),
  ...harmless.throw.map((point) => softened('throw', point)),
  poison,
]
