import type { ConnectionId } from '../domain/connection.ts'
import { DependencyUnavailableError } from '../domain/errors.ts'
import type { BucketFigures, BucketFiguresReader } from '../port/bucket-figures.ts'
import type { BucketLimiter } from '../port/bucket-limiter.ts'
import type { Outlets } from '../port/outlet.ts'
import type { OutletState, SharedStanding } from '../port/outlet-state.ts'

export interface BucketFiguresDeps {
  readonly outlets: Pick<Outlets, 'outlet'>
  readonly buckets: Pick<BucketLimiter, 'use'>
  readonly state: Pick<OutletState, 'read'>
}

/** Figures of buckets for people to look at. */
export function makeBucketFigures({ outlets, buckets, state }: BucketFiguresDeps): BucketFiguresReader {
  async function figuresOf(connection: ConnectionId, standing: SharedStanding): Promise<readonly BucketFigures[]> {
    const declared = outlets.outlet(connection)?.buckets ?? []
    const uses = declared.length === 0 ? [] : await buckets.use(connection, declared)
    const { learnt } = standing
    // A wait of the whole connection: until its breaker lets a send through, and as long as the provider asked for.
    // In whole milliseconds, as it is published: the clock of a single process counts fractions.
    const waitMs = Math.ceil(Math.max(standing.coolingForMs, standing.openForMs))
    const own = declared.map((bucket, index): BucketFigures => {
      const { inUse = null, nextInMs = null } = uses[index] ?? {}
      return {
        connection,
        bucket,
        inUse,
        nextInMs: nextInMs === null ? null : Math.max(nextInMs, waitMs),
        learnt: null,
      }
    })
    const isWaiting = waitMs > 0
    if (learnt === null && !isWaiting) return own
    return [...own, { connection, bucket: null, inUse: null, nextInMs: waitMs, learnt }]
  }

  return {
    async findFigures(connectionIds) {
      if (connectionIds.length === 0) return []
      const standings = await state.read(connectionIds)
      if (standings === null) throw new DependencyUnavailableError('redis', 'the shared counters cannot be reached')
      const figures = connectionIds.map(async (id, index) => {
        const standing = standings[index]
        return standing === undefined ? [] : figuresOf(id, standing)
      })
      return (await Promise.all(figures)).flat()
    },
  }
}
