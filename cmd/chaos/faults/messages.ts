import { randomBytes, randomUUID } from 'node:crypto'
import { lanes } from '../../../internal/domain/notification.ts'
import { RabbitAdmin } from '../../../internal/testkit/rabbitmq.ts'
import type { Random } from '../../../internal/testkit/random.ts'
import type { World } from '../world.ts'
import { type Fault, nothing, servicesOnly } from './fault.ts'

const group = 'messages'
const rounds = 60
/**
 * Rows whose token of now has really been published: to claim one that waits for its retry would take a message that no
 * engine has sent.
 */
const published = "status = 'QUEUED' AND (attempt_count = 0 OR publish_count > 0)"
const claimedBefore = 'lease_token > 0'

interface Waiting {
  readonly id: string
  readonly token: number
}

type Write = (random: Random, rows: readonly Waiting[]) => string

const envelope = (items: readonly (readonly [string, number])[]) => JSON.stringify({ v: 1, items })

/** Messages that nobody sent, into random queues. */
function injected(name: string, about: string, write: Write, which = published): Fault {
  return {
    name: `messages-${name}`,
    group,
    about,
    profiles: servicesOnly,
    holdMs: 0,
    async inject(world, random) {
      const admin = await RabbitAdmin.open(world.servers.rabbitmq.url)
      try {
        for (let round = 0; round < rounds; round++)
          await admin.send(anyQueue(random), write(random, await someRows(world, which)))
      } finally {
        await admin.close()
      }
      return nothing
    },
  }
}

function anyQueue(random: Random): string {
  const { channel, priority } = random.pick(lanes)
  return `dispatch.v1.${channel}.${priority}`.toLowerCase()
}

function someRows({ history }: World, which: string): Promise<readonly Waiting[]> {
  return history.run<Waiting>(`SELECT id, lease_token AS token FROM notifications
    WHERE ${which} ORDER BY updated_at DESC LIMIT 50`)
}

export const messageFaults: readonly Fault[] = [
  injected('repeated', 'every reference three times, with the token it has now', (_, rows) =>
    envelope(rows.slice(0, 30).flatMap(({ id, token }) => Array.from({ length: 3 }, () => [id, token] as const))),
  ),
  injected(
    'stale',
    'references with tokens that are over',
    (_, rows) => envelope(rows.map(({ id, token }) => [id, token - 1] as const)),
    claimedBefore,
  ),
  injected('unknown', 'references to notifications that do not exist', () => envelope([[randomUUID(), 0]])),
  injected('garbage', 'bytes, other versions, wrong shapes', (random) =>
    random.pick([
      randomBytes(200).toString('latin1'),
      '',
      '{}',
      '{"v":2,"items":[]}',
      '{"v":1,"items":[["x",0]]}',
      `{"v":1,"items":${'['.repeat(3_000)}`,
      'x'.repeat(20_000),
    ]),
  ),
]
