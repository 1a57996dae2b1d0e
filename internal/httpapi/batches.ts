import { batchStatus } from '../domain/batch.ts'
import { batchBodyLimits, readJson } from './body.ts'
import { answer, type Ctx, type Route } from './context.ts'
import { Findings } from './findings.ts'
import {
  batchIdParam,
  type NotificationDeps,
  type NotificationSettings,
  requestContext,
  toAccepted,
} from './notifications.ts'
import { invalidField } from './problem.ts'
import { idempotencyHeader, readBatch } from './requests.ts'
import { traceparent } from './trace.ts'

export function batchRoutes(deps: NotificationDeps, settings: NotificationSettings): readonly Route[] {
  return [
    { path: '/v1/notifications/batch', methods: { POST: (c) => createBatch(c, deps, settings) } },
    {
      path: '/v1/batches/:batchId',
      methods: {
        async GET(c) {
          return answer(c, 200, await deps.queries.getBatch(settings.tenant, batchIdParam(c)))
        },
      },
    },
  ]
}

async function createBatch(c: Ctx, deps: NotificationDeps, settings: NotificationSettings): Promise<Response> {
  if (idempotencyHeader(c) !== null) {
    const expected = 'expected no such header on a batch, since each item has its own key: use the field idempotencyKey'
    throw invalidField('Idempotency-Key', 'not_allowed', expected)
  }
  const context = requestContext(c, deps, settings, null)
  const findings = new Findings()
  const items = readBatch(await readJson(c, batchBodyLimits, deps.budget), context, findings)
  findings.throwIfAny()
  if (items === null) throw new Error('a batch without findings must be whole')
  const { tenant } = settings
  const accepted = await deps.accept({ tenant, kind: 'batch', items, traceparent: traceparent(c) })
  const counts = accepted.notifications.map(({ notification }) => ({ status: notification.status, count: 1 }))
  const body = {
    batchId: accepted.batchId ?? undefined,
    status: batchStatus(counts),
    totalCount: accepted.notifications.length,
    notifications: accepted.notifications.map(toAccepted),
    ...(findings.warnings.length > 0 && { warnings: findings.warnings }),
  }
  const repeated = accepted.notifications.every((one) => one.duplicate)
  return answer(c, 202, body, {
    ...(accepted.batchId !== null && { location: `/v1/batches/${accepted.batchId}` }),
    ...(repeated && { 'idempotency-replayed': 'true' }),
  })
}
