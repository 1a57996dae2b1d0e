import type { Channel } from '../domain/notification.ts'
import type { RouteView } from '../port/connection-admin.ts'
import { routeChannelSchema, routeQuerySchema, routeSchema } from './connection-schemas.ts'
import { type ConnectionDeps, etag, ifRevision, notWhole, readWhole } from './connections.ts'
import { answer, type Ctx, type Route } from './context.ts'
import { invalidField } from './problem.ts'
import { readQuery } from './query.ts'
import { reading } from './validate.ts'

const bodyReading = reading(routeSchema, routeSchema.partial())
const queryReading = reading(routeQuerySchema, routeQuerySchema)

/** Which connections serve a channel, in which order. */
export function routingRoutes(deps: ConnectionDeps): readonly Route[] {
  const { connections } = deps
  return [
    {
      path: '/v1/routes',
      methods: { GET: async (c) => answer(c, 200, { data: (await connections.routes()).map(toRoute) }) },
    },
    {
      path: '/v1/routes/:channel',
      methods: {
        PUT: (c) => save(c, deps),
        async DELETE(c) {
          const key = keyOf(c)
          await connections.removeRoute(key, ifRevision(c))
          return answer(c, 200, { removed: { channel: key.channel, ...(key.tag !== null && { tag: key.tag }) } })
        },
      },
    },
  ]
}

async function save(c: Ctx, { connections, budget }: ConnectionDeps): Promise<Response> {
  const key = keyOf(c)
  const { tiers, tryTimeoutMs = null, totalTimeoutMs = null } = await readWhole(c, bodyReading, budget)
  if (tiers === undefined) throw notWhole()
  const whole = tiers.map((tier) => ({
    connections: tier.connections.map(({ connection, weight = 1 }) => ({ connection, weight })),
  }))
  const route = { ...key, tiers: whole, tryTimeoutMs, totalTimeoutMs }
  const view = await connections.saveRoute(route, ifRevision(c))
  return answer(c, 200, toRoute(view), etag(view.revision))
}

/** @throws HttpProblem 400 */
function keyOf(c: Ctx): { readonly channel: Channel; readonly tag: string | null } {
  const parsed = routeChannelSchema.safeParse(c.req.param('channel')?.toUpperCase())
  if (!parsed.success) {
    throw invalidField('channel', 'invalid_value', parsed.error.issues[0]?.message ?? 'expected a channel')
  }
  const { query } = readQuery(c, queryReading)
  return { channel: parsed.data, tag: query.tag ?? null }
}

function toRoute({ channel, tag, tiers, tryTimeoutMs, totalTimeoutMs, missing, source, revision }: RouteView) {
  return {
    channel,
    tag: tag ?? undefined,
    tiers,
    tryTimeoutMs: tryTimeoutMs ?? undefined,
    totalTimeoutMs: totalTimeoutMs ?? undefined,
    missing,
    source,
    revision: revision ?? undefined,
  }
}
