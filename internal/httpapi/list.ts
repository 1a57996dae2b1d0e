import type { z } from '@hono/zod-openapi'
import type { Queries } from '../dispatch/query.ts'
import type { Notification } from '../domain/notification.ts'
import type { KeysetPosition, NotificationFilter } from '../port/notification-store.ts'
import { answer, type Ctx } from './context.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { invalidField } from './problem.ts'
import { readQuery } from './query.ts'
import { toResource } from './resource.ts'
import { listSchema, pageSizeDefault } from './schemas.ts'
import { reading } from './validate.ts'

const how = reading(listSchema, listSchema, ['status', 'channel'])

type ListQuery = z.infer<typeof listSchema>

/** `GET /v1/notifications`: by page number, or by cursor when `limit` or `cursor` is given. */
export async function list(c: Ctx, queries: Queries, tenant: string): Promise<Response> {
  const { raw, query } = readQuery(c, how)
  const filter = filterOf(query)
  if (!raw.has('cursor') && query.limit === undefined) return listByOffset(c, queries, tenant, query, filter)
  const other = (['page', 'pageSize', 'total'] as const).find((name) => query[name] !== undefined)
  if (other !== undefined) {
    throw invalidField(other, 'conflict', 'expected either page, pageSize and total, or limit and cursor, found both')
  }
  return listByKeyset(c, queries, tenant, query, filter)
}

async function listByOffset(
  c: Ctx,
  queries: Queries,
  tenant: string,
  { page = 1, pageSize = pageSizeDefault, total = 'exact' }: ListQuery,
  filter: NotificationFilter,
): Promise<Response> {
  const found = await queries.listByOffset(tenant, filter, { page, pageSize, total })
  return answer(c, 200, {
    data: found.rows.map(toResource),
    meta: { page, pageSize, total: found.total ?? undefined },
  })
}

async function listByKeyset(
  c: Ctx,
  queries: Queries,
  tenant: string,
  { cursor, limit = pageSizeDefault }: ListQuery,
  filter: NotificationFilter,
): Promise<Response> {
  const position = cursor === undefined ? null : decodeCursor(cursor, filter)
  const { rows, hasOlder, hasNewer } = await queries.listByKeyset(tenant, filter, { position, limit })
  const link = (direction: KeysetPosition['direction'], row: Notification | undefined) =>
    row === undefined ? null : encodeCursor({ direction, createdAt: row.createdAt, id: row.id }, filter)
  return answer(c, 200, {
    data: rows.map(toResource),
    meta: {
      next: hasOlder ? link('after', rows.at(-1)) : null,
      prev: hasNewer ? link('before', rows[0]) : null,
    },
  })
}

function filterOf(query: ListQuery): NotificationFilter {
  const { status, channel, from, to, batchId, correlationId, recipient, tag } = query
  if (from !== undefined && to !== undefined && from > to) {
    throw invalidField(
      'from',
      'out_of_range',
      `expected a time not after "to" (${to.toISOString()}), found ${from.toISOString()}`,
    )
  }
  return {
    ...(status !== undefined && { status }),
    ...(channel !== undefined && { channel }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(batchId !== undefined && { batchId }),
    ...(correlationId !== undefined && { correlationId }),
    ...(recipient !== undefined && { recipient }),
    ...(tag !== undefined && { tag }),
  }
}
