import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../../../internal/testkit/eventually.ts'
import { changeSecrets, pauseOf, resume } from '../providers/api.ts'
import type { ConnectionName } from '../providers/plan.ts'
import { newSigningSecret } from '../providers/targets.ts'
import type { World } from '../world.ts'
import type { Fault } from './fault.ts'

const common = {
  group: 'connections',
  disturbs: ['target'],
  skip: ({ isVia }: World) => (isVia ? null : 'nothing goes over connections (VIA=0)'),
} as const
const pausedWithinMs = 15_000
const changes = 12
/** Every engine has heard of a change by then. */
const heardMs = 4_000

/** Everything over one connection is answered so, and the others have no fault. */
function answered(connection: ConnectionName, script: string, holdMs: number, about: string): Fault {
  return {
    ...common,
    name: `connection-${connection}-${script.replaceAll(':', '-')}`,
    about: `${connection} answers "${script}": ${about}`,
    holdMs,
    async inject({ targets: { providers } }) {
      providers?.behave(connection, script)
      return async () => providers?.behave(connection, null)
    },
  }
}

/** A provider that refuses the account: an engine pauses the connection, and an operator resumes it. */
const refused: Fault = {
  ...common,
  name: 'connection-refused',
  about: 'ntfy refuses the token: it is paused by itself, and resumed by an operator',
  alone: true,
  holdMs: 2_000,
  async inject(world) {
    const { providers } = world.targets
    providers?.behave('ntfy', '401')
    return async () => {
      const client = anyClient(world)
      const paused = eventually(async () => (await pauseOf(client, 'ntfy')) !== null, { withinMs: pausedWithinMs })
      const isPaused = await paused.then(Boolean, () => false)
      const met = providers?.met('ntfy') ?? 0
      providers?.behave('ntfy', null)
      if (met === 0) world.remarks.push('nothing went over ntfy while it refused its token: its breaker is open')
      else if (!isPaused) world.wrong.push({ invariant: 0, text: 'a connection whose token is refused was not paused' })
      await delay(heardMs) // sends that began before are over
      await resume(client, 'ntfy')
    }
  },
}

/** An operator who replaces signing secrets again and again. Whatever is signed meanwhile is signed with one of them. */
const rewritten: Fault = {
  ...common,
  name: 'connection-rewritten',
  about: `the signing secret of hook-api is replaced ${changes} times`,
  disturbs: [],
  holdMs: 0,
  async inject(world) {
    await rewrite(world, changes)
    return () => settleOn(world)
  },
}

/** As CONNECTIONS.md tells operators to do it, while connections are used and written. */
const keyReplaced: Fault = {
  ...common,
  name: 'encryption-key-replaced',
  about: 'every engine is restarted with another ENCRYPTION_KEY, twice, while secrets are replaced',
  alone: true,
  disturbs: [],
  holdMs: 0,
  async inject(world) {
    const previous = world.targets.encryptionKey
    const key = randomBytes(32).toString('base64')
    const changed = { ENCRYPTION_KEY: key, ENCRYPTION_KEY_PREVIOUS: previous }
    await Promise.all([restartEach(world, changed), rewrite(world, changes)])
    // An engine with the old key alone goes on with the secrets that it has: by now there is none.
    await delay(heardMs)
    await restartEach(world, { ENCRYPTION_KEY_PREVIOUS: undefined })
    world.targets.encryptionKey = key
    await rewrite(world, 1)
    return () => settleOn(world)
  },
}

async function restartEach(world: World, changed: Readonly<Record<string, string | undefined>>): Promise<void> {
  for (const replica of world.replicas) {
    await replica.terminate()
    await replica.start(changed)
    await replica.engine.untilReady()
  }
}

/** The receiver trusts every secret until {@link settleOn}. */
async function rewrite({ targets, replicas }: World, times: number): Promise<void> {
  const { providers } = targets
  if (providers === null) return
  for (let time = 0; time < times; time++) {
    const secret = newSigningSecret()
    const [before = secret] = providers.trust(secret)
    await changeSecrets(anyClient({ replicas }), providers.url, [secret, before])
    await delay(100)
    await changeSecrets(anyClient({ replicas }), providers.url, [secret])
  }
}

/** Every engine has heard of the last secret: what is signed with an earlier one from now on is wrong. */
async function settleOn(world: World): Promise<void> {
  await world.revive()
  await delay(heardMs)
  world.targets.providers?.trustLastOnly()
}

/** Of an engine that runs; the first when none does, which is waited for. */
function anyClient({ replicas }: Pick<World, 'replicas'>) {
  const engine = (replicas.find(({ isRunning }) => isRunning) ?? replicas[0])?.engine
  if (engine === undefined) throw new Error('there is no engine')
  return engine.client
}

export const connectionFaults: readonly Fault[] = [
  answered('slack', '503', 8_000, 'its breaker opens, and the next tier takes over'),
  answered('twilio', 'reset', 4_000, 'nobody knows, and it cannot drop repeats'),
  answered('mail', 'hang', 6_000, 'nobody knows, and it cannot drop repeats'),
  answered('hook-main', 'reset', 4_000, 'nobody knows, and it drops repeats'),
  answered('pager', '429:2', 4_000, 'it is left alone, and the next tier takes over'),
  refused,
  rewritten,
  keyReplaced,
]
