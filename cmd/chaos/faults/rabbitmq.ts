import { execFile } from 'node:child_process'
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { lanes } from '../../../internal/domain/notification.ts'
import { credentials, toolEnvironment } from '../../../internal/embedded/postgres/run-tool.ts'
import { RabbitAdmin } from '../../../internal/testkit/rabbitmq.ts'
import type { ControlledServer } from '../../../internal/testkit/services/controlled-server.ts'
import type { World } from '../world.ts'
import { type Fault, nothing, servicesOnly } from './fault.ts'

const group = 'rabbitmq'
const profiles = servicesOnly
const disturbs = ['rabbitmq'] as const
const exchange = 'dispatch.v1'
/** In bytes: which units rabbitmqctl knows depends on its version. */
const moreThanAnyDiskBytes = '1000000000000000'
const littleBytes = '50000000'
const queues = lanes.map((lane) => `${exchange}.${lane.channel}.${lane.priority}`.toLowerCase())

/** What happens to the broker. */
export const rabbitmqFaults: readonly Fault[] = [
  {
    name: 'rabbitmq-away',
    group,
    about: 'RabbitMQ is stopped for 8 s',
    profiles,
    disturbs,
    holdMs: 8_000,
    async inject({ servers }) {
      await servers.rabbitmq.end('SIGTERM')
      return () => servers.rabbitmq.start()
    },
  },
  {
    name: 'rabbitmq-kill9',
    group,
    about: 'kill -9 of RabbitMQ, then a new start',
    profiles,
    disturbs,
    holdMs: 1_000,
    async inject({ servers }) {
      await servers.rabbitmq.kill9()
      return () => servers.rabbitmq.start()
    },
  },
  {
    name: 'rabbitmq-data-wiped',
    group,
    about: 'RabbitMQ is killed and loses its disk',
    profiles,
    disturbs,
    holdMs: 500,
    async inject({ servers }) {
      await servers.rabbitmq.kill9()
      const folder = path.join(servers.rabbitmq.place.folder, 'mnesia')
      for (const name of await readdir(folder)) await rm(path.join(folder, name), { recursive: true, force: true })
      return () => servers.rabbitmq.start()
    },
  },
  {
    name: 'rabbitmq-halted',
    group,
    about: 'SIGSTOP of RabbitMQ for 6 s',
    profiles,
    disturbs,
    holdMs: 6_000,
    async inject({ servers }) {
      servers.rabbitmq.signal('SIGSTOP')
      return async () => servers.rabbitmq.signal('SIGCONT')
    },
  },
  {
    name: 'rabbitmq-queues-deleted',
    group,
    about: 'every queue is deleted under the consumers',
    profiles,
    holdMs: 0,
    inject: (world) => asOperator(world, (admin) => each((queue) => admin.deleteQueue(queue))),
  },
  {
    name: 'rabbitmq-exchange-deleted',
    group,
    about: 'the exchange is deleted',
    profiles,
    holdMs: 0,
    inject: (world) => asOperator(world, (admin) => admin.deleteExchange(exchange)),
  },
  {
    name: 'rabbitmq-purged',
    group,
    about: 'every message is thrown away, ten times',
    profiles,
    holdMs: 0,
    inject: (world) =>
      asOperator(world, async (admin) => {
        for (let round = 0; round < 10; round++) {
          await each((queue) => admin.purgeQueue(queue))
          await delay(100)
        }
      }),
  },
  {
    name: 'rabbitmq-disk-alarm',
    group,
    about: 'RabbitMQ raises its disk alarm for 8 s: publishers are blocked',
    profiles,
    disturbs,
    holdMs: 8_000,
    async inject({ servers }) {
      await control(servers.rabbitmq, 'set_disk_free_limit', moreThanAnyDiskBytes)
      return () => control(servers.rabbitmq, 'set_disk_free_limit', littleBytes)
    },
  },
]

async function asOperator({ servers }: World, step: (admin: RabbitAdmin) => Promise<void>) {
  const admin = await RabbitAdmin.open(servers.rabbitmq.url)
  try {
    await step(admin)
  } finally {
    await admin.close()
  }
  return nothing
}

async function each(step: (queue: string) => Promise<unknown>): Promise<void> {
  await Promise.all(queues.map(step))
}

/** rabbitmqctl of the folder that the server itself came from: Debian's wrapper would want to be root. */
async function control(server: ControlledServer, ...args: readonly string[]): Promise<void> {
  const program = path.join(path.dirname(server.spec.program), 'rabbitmqctl')
  await promisify(execFile)(program, ['-n', 'throwaway@localhost', ...args], {
    cwd: server.place.folder,
    env: { ...toolEnvironment, HOME: server.place.folder, ...server.spec.env },
    timeout: 30_000,
    ...credentials(server.place.user),
  })
}
