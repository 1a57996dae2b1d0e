import { type ParkedMessages, parkedLimitMax } from '../port/parked.ts'
import { answer, type Ctx, type Route } from './context.ts'
import { invalidField } from './problem.ts'
import { readQuery } from './query.ts'
import { parkedDropSchema, parkedListSchema } from './schemas.ts'
import { reading } from './validate.ts'

export interface ParkedDeps {
  readonly parked: ParkedMessages
}

const listReading = reading(parkedListSchema, parkedListSchema)
const dropReading = reading(parkedDropSchema, parkedDropSchema)

/** Messages of the broker that nobody could read: to look at, and to drop. */
export function parkedRoutes({ parked }: ParkedDeps): readonly Route[] {
  return [{ path: '/v1/parked', methods: { GET: (c) => list(c, parked), DELETE: (c) => drop(c, parked) } }]
}

async function list(c: Ctx, parked: ParkedMessages): Promise<Response> {
  const { query } = readQuery(c, listReading)
  const { total, messages } = await parked.list(query.limit ?? parkedLimitMax)
  const data = messages.map(({ queue, reason, ...rest }) => ({
    ...rest,
    ...(queue !== null && { queue }),
    ...(reason !== null && { reason }),
  }))
  return answer(c, 200, { data, meta: { total } })
}

/** Says how many, or all: a bare DELETE removes nothing. */
async function drop(c: Ctx, parked: ParkedMessages): Promise<Response> {
  const { query } = readQuery(c, dropReading)
  const { count, all } = query
  if (count !== undefined && all !== undefined) {
    throw invalidField('count', 'conflict', 'expected either count or all=true, found both')
  }
  if (count === undefined && all === undefined) {
    throw invalidField('count', 'required', `expected 1 to ${parkedLimitMax}, or all=true, found neither`)
  }
  return answer(c, 200, { dropped: await parked.drop(count ?? 'all') })
}
