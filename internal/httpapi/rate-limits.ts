import type { BucketFigures, BucketFiguresReader } from '../port/bucket-figures.ts'
import type { ConnectionAdmin } from '../port/connection-admin.ts'
import { answer, type Ctx, type Route } from './context.ts'

export interface RateLimitDeps {
  readonly connections: Pick<ConnectionAdmin, 'connections'>
  readonly bucketFigures: BucketFiguresReader
}

/** How full the buckets of all connections are. */
export function rateLimitRoutes(deps: RateLimitDeps): readonly Route[] {
  return [{ path: '/v1/rate-limits', methods: { GET: (c) => list(c, deps) } }]
}

async function list(c: Ctx, { connections, bucketFigures }: RateLimitDeps): Promise<Response> {
  const ids = (await connections.connections()).map(({ id }) => id)
  const figures = ids.length === 0 ? [] : await bucketFigures.findFigures(ids)
  return answer(c, 200, { data: figures.map(toFigures) })
}

function toFigures({ connection, bucket, inUse, nextInMs, learnt }: BucketFigures) {
  return {
    connection,
    bucket: bucket ?? undefined,
    inUse: inUse ?? undefined,
    nextInMs: nextInMs ?? undefined,
    learnt: learnt === null ? undefined : toLearnt(learnt),
  }
}

function toLearnt({ name, remaining, resetAfterMs }: NonNullable<BucketFigures['learnt']>) {
  return { name: name ?? undefined, remaining: remaining ?? undefined, resetAfterMs: resetAfterMs ?? undefined }
}
