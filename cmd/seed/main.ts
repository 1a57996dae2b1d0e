import { createHash } from 'node:crypto'
import { type AcceptInput, makeAccept } from '../../internal/dispatch/accept.ts'
import { type Channel, defaultTenant, lanes } from '../../internal/domain/notification.ts'
import { makeNewId } from '../../internal/lifecycle/new-id.ts'
import { systemClock } from '../../internal/lifecycle/system-clock.ts'
import { DatabaseLink } from '../../internal/postgres/link.ts'
import { PostgresNotificationStore } from '../../internal/postgres/notification-store.ts'
import { PostgresPool } from '../../internal/postgres/pool.ts'
import { Metrics } from '../../internal/telemetry/metrics.ts'
import { prepareDatabase } from '../dispatch/database.ts'
import { type DatabaseJob, withDatabase } from '../dispatch/database-only.ts'
import { version } from '../version.ts'

/**
 * Demo data: every channel and priority, some scheduled, some that the built-in sink refuses at first. Keys are fixed,
 * so a second run within their lifetime adds nothing but what is scheduled anew. Nothing is published here: the scan of
 * a running engine finds the rows.
 */
const stories = [
  { name: 'welcome', content: 'Welcome aboard!', isScheduled: false },
  { name: 'flaky', content: 'Arrives at the third try [sink 503 503 200]', isScheduled: false },
  { name: 'refused', content: 'Is refused for good [sink 400]', isScheduled: false },
  { name: 'later', content: 'Scheduled for the next full hour', isScheduled: true },
] as const

const recipients = {
  SMS: '+15550000100',
  EMAIL: 'demo@example.com',
  PUSH: 'demo-device',
  WEBHOOK: 'demo-endpoint',
  CHAT: 'demo-room',
  INCIDENT: 'demo-service',
} as const satisfies Record<Channel, string>

function demoItems(now: Date, maxRetries: number): readonly AcceptInput[] {
  const hour = nextHour(now)
  return lanes.flatMap(({ channel, priority }) =>
    stories.map(({ name, content, isScheduled }) => ({
      channel,
      priority,
      content,
      title: null,
      html: null,
      data: null,
      provider: null,
      recipient: recipients[channel],
      idempotencyKey: `seed-${name}-${channel}-${priority}${isScheduled ? `-${hour.toISOString()}` : ''}`,
      correlationId: 'seed',
      scheduledAt: isScheduled ? hour : null,
      expiresAt: null,
      maxRetries,
      tags: ['demo', name],
      metadata: { story: name },
    })),
  )
}

function nextHour(now: Date): Date {
  const hourMs = 3_600_000
  return new Date((Math.floor(now.getTime() / hourMs) + 1) * hourMs)
}

async function seed({ config, databaseUrl: url, logger }: DatabaseJob): Promise<void> {
  const telemetry = new Metrics({ version, node: process.version })
  const { schema } = config.database
  const link = new DatabaseLink({ telemetry, logger })
  const pool = new PostgresPool({ url, schema, max: 2, applicationName: 'dispatch-seed' }, { telemetry, link })
  try {
    await prepareDatabase(config, url, pool, systemClock, logger)
    const accept = makeAccept(
      {
        store: new PostgresNotificationStore({ work: pool, rest: pool }, config),
        publish: () => Promise.resolve(),
        telemetry,
        clock: systemClock,
        newId: makeNewId(),
        hash: (text) => createHash('sha256').update(text).digest('hex'),
        wakeScanIn: () => undefined,
      },
      { maxInFlight: 1, maxWaitingRows: 1_000 },
    )
    const items = demoItems(systemClock.now(), config.retry.maxRetries)
    const { notifications } = await accept({ tenant: defaultTenant, kind: 'batch', items, traceparent: null })
    const added = notifications.filter((one) => !one.duplicate).length
    console.log(`seeded ${added} notifications (${items.length - added} were there already)`)
    console.log('a running engine takes them up within 30 s; the scheduled ones follow at the next full hour')
  } finally {
    await pool.end()
  }
}

process.exit(await withDatabase(seed))
