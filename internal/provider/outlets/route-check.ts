import type { Connection, ConnectionId, Route } from '../../domain/connection.ts'
import { nearest } from '../connector/problems.ts'
import { serves } from './kind.ts'

/** What is wrong with one name in a route. */
export interface RouteProblem {
  readonly tier: number
  /** Within the tier. */
  readonly index: number
  readonly connection: ConnectionId
  readonly code: 'unknown_connection' | 'wrong_channel' | 'repeated'
  readonly found: string
  readonly expected: string
  readonly didYouMean: string | null
}

/** A route names connections that exist, each once, and that can serve its channel. */
export function routeProblems(
  { channel, tiers }: Pick<Route, 'channel' | 'tiers'>,
  known: ReadonlyMap<ConnectionId, Pick<Connection, 'channel'>>,
): readonly RouteProblem[] {
  const problems: RouteProblem[] = []
  const seen = new Set<ConnectionId>()
  for (const [tier, { connections }] of tiers.entries()) {
    for (const [index, { connection }] of connections.entries()) {
      const at = { tier, index, connection, didYouMean: null }
      const own = known.get(connection)?.channel
      if (own === undefined) {
        const didYouMean = nearest(connection, [...known.keys()])
        const found = `${JSON.stringify(connection)}, which is no connection`
        problems.push({ ...at, code: 'unknown_connection', found, expected: 'the id of a connection', didYouMean })
      } else if (!serves(own, channel)) {
        const found = `${JSON.stringify(connection)}, which serves ${own}`
        problems.push({
          ...at,
          code: 'wrong_channel',
          found,
          expected: `a connection for ${channel}, or one for webhooks`,
        })
      } else if (seen.has(connection)) {
        const found = `${JSON.stringify(connection)} again`
        problems.push({ ...at, code: 'repeated', found, expected: 'each connection once in a route' })
      }
      seen.add(connection)
    }
  }
  return problems
}
