import type { ConnectionId, Tier } from './connection.ts'

/** How a connection of a route stands at this moment. */
export interface OutletStanding {
  /** Milliseconds until it may be used; 0 = now. */
  readonly usableInMs: number
  /** Its receiver drops a repeat under the same key. */
  readonly repeatable: boolean
}

export interface ChoiceInput {
  readonly tiers: readonly Tier[]
  /** Connections of this generation's earlier attempts, one entry for each. */
  readonly tried: readonly ConnectionId[]
  /** Over which connections an earlier attempt of this generation may have arrived; null = nobody can tell over which. */
  readonly unknownOver: readonly (ConnectionId | null)[]
  /** Null: missing, disabled or paused. */
  readonly standingOf: (id: ConnectionId) => OutletStanding | null
  /** Uniform in [0, 1). */
  readonly random: () => number
}

export type Choice =
  /** At least one; the first that has a permit takes it. `othersInMs`: until one more may be used; null without such. */
  | { readonly kind: 'try'; readonly order: readonly ConnectionId[]; readonly othersInMs: number | null }
  /** `ms` until the first may be used; null: nobody can tell. */
  | { readonly kind: 'wait'; readonly ms: number | null }
  /** It may have arrived, and a repeat could not be dropped. */
  | { readonly kind: 'park' }

interface Candidate extends OutletStanding {
  readonly id: ConnectionId
  readonly tries: number
  readonly tier: number
  /** Drawn so that the order within a tier is random by weight. */
  readonly draw: number
}

/**
 * Which connections may take the next attempt, in which order: those with the fewest attempts of this generation first,
 * so that what failed is left for last and all start over once all have failed; among them by tier, within a tier
 * random by weight. While an attempt may have arrived, only the connection that can drop the repeat may repeat it.
 */
export function chooseOutlets(input: ChoiceInput): Choice {
  const bound = boundTo(input)
  if (bound.kind === 'nothing') return { kind: 'park' }
  if (bound.kind === 'only') {
    const ms = input.standingOf(bound.id)?.usableInMs ?? null
    return ms !== null && ms <= 0 ? { kind: 'try', order: [bound.id], othersInMs: null } : { kind: 'wait', ms }
  }
  const candidates = candidatesOf(input)
  const order = candidates
    .filter(({ usableInMs }) => usableInMs <= 0)
    .sort((a, b) => a.tries - b.tries || a.tier - b.tier || a.draw - b.draw)
    .map(({ id }) => id)
  const waits = candidates.map(({ usableInMs }) => usableInMs).filter((ms) => ms > 0)
  const othersInMs = waits.length === 0 ? null : Math.min(...waits)
  return order.length > 0 ? { kind: 'try', order, othersInMs } : { kind: 'wait', ms: othersInMs }
}

type Bound = { readonly kind: 'any' | 'nothing' } | { readonly kind: 'only'; readonly id: ConnectionId }

/** What an open outcome leaves, or a route of one connection. */
function boundTo({ unknownOver, tiers, standingOf }: ChoiceInput): Bound {
  if (unknownOver.length === 0) {
    const [only] = tiers[0]?.connections ?? []
    const isOne = tiers.length === 1 && tiers[0]?.connections.length === 1
    return isOne && only !== undefined ? { kind: 'only', id: only.connection } : { kind: 'any' }
  }
  const over = unknownOver.findLast((id) => id !== null) ?? null
  if (over !== null) return standingOf(over)?.repeatable === false ? { kind: 'nothing' } : { kind: 'only', id: over }
  // Its worker vanished without a word: it may have gone over any of them.
  const standings = tiers.flatMap(({ connections }) => connections.map(({ connection }) => standingOf(connection)))
  return { kind: standings.some((standing) => standing?.repeatable === false) ? 'nothing' : 'any' }
}

function candidatesOf({ tiers, tried, standingOf, random }: ChoiceInput): readonly Candidate[] {
  const seen = new Set<ConnectionId>()
  return tiers.flatMap(({ connections }, tier) =>
    connections.flatMap(({ connection: id, weight }): readonly Candidate[] => {
      const standing = standingOf(id)
      if (standing === null || seen.has(id)) return []
      seen.add(id)
      const tries = tried.filter((one) => one === id).length
      // The smallest of exponential draws with the weights as rates: each is first in proportion to its weight.
      return [{ id, tries, tier, draw: -Math.log(1 - random()) / weight, ...standing }]
    }),
  )
}
