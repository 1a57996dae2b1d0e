import { lanes } from '../domain/notification.ts'
import { endClaimsStatement, sweepOrphansStatement } from '../postgres/claim-record-statements.ts'
import { encodeParam, type Param } from '../postgres/params.ts'
import type { PostgresPool, Statement } from '../postgres/pool.ts'
import { laneArrays } from '../postgres/rows.ts'
import { countDueStatement, nextDueStatement, releaseDueStatement } from '../postgres/scan-statements.ts'
import {
  claimedBeforeStatement,
  claimStatement,
  deferStatement,
  lateSuccessStatement,
  releaseStatement,
  settledBeforeStatement,
  settleStatement,
} from '../postgres/work-statements.ts'

const id = '01890000-0000-7000-8000-000000000000'
const provider = ['p', null, 503, 'c', 'm', null, 5, 'c', 'k@1', null].map((one) => [one])
export type Hot = readonly (readonly [Statement<unknown>, readonly Param[]])[]

/** Planned once a session, in the pool that keeps plans. */
const kept: Hot = [
  [claimStatement, [[id], [0], 'w', 60_000]],
  [claimedBeforeStatement, [[id], [0], 'w']],
  [settleStatement, [[id], [1], ['retry'], [null], [1_000], [true], [false], ['transient'], ...provider]],
  [settledBeforeStatement, [[id], [1], [1]]],
]

/** Planned for each run. */
const fresh: Hot = [
  [lateSuccessStatement, [[id], [1], [1], [0], ['p'], [null], [200], [null], [5], ['c'], ['k@1'], [null]]],
  [deferStatement, [[id], [0], [1_000]]],
  [releaseStatement, [[id], [1], [250]]],
  [releaseDueStatement, [...laneArrays(lanes), lanes.map(() => 100)]],
  [countDueStatement, [...laneArrays(lanes), 100]],
  [endClaimsStatement, [500]],
  [sweepOrphansStatement, [100, 1_000]],
  [nextDueStatement, laneArrays(lanes)],
]

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly 'TID Cond'?: string
  readonly Filter?: string
  readonly Plans?: readonly PlanNode[]
}

/** Accesses that read a whole table or index; a walk over an index is a table scan in disguise, unless a limit ends it. */
function walksOf(node: PlanNode, isLimited = false): string[] {
  const whole = node['Relation Name'] !== undefined && node['Node Type'] !== 'ModifyTable'
  const named = node['Index Cond'] !== undefined || node['TID Cond'] !== undefined
  const taken = isLimited && node['Index Name'] !== undefined && node.Filter === undefined
  const bounded = named || taken || node['Node Type'] === 'Bitmap Heap Scan'
  const own = whole && !bounded ? [`${node['Node Type']} ${node['Index Name'] ?? ''} of ${node['Relation Name']}`] : []
  const below = node['Node Type'] === 'Limit' || (isLimited && node['Node Type'] === 'LockRows')
  return [...own, ...(node.Plans ?? []).flatMap((plan) => walksOf(plan, below))]
}

const literal = (param: Param) => {
  const value = encodeParam(param)
  return typeof value === 'string' ? `'${value}'` : String(value)
}

/** The statements that run for every notification or every pass of the scan, with parameters. */
export const hotStatements = { kept, fresh } as const

/** Prepares them in the session of a pool with one connection. */
export async function prepareHot(pool: PostgresPool, hot: Hot): Promise<void> {
  for (const [{ name, text }] of hot) await pool.run({ name: 'prepare', text: `PREPARE plan_${name} AS ${text}` })
}

/** What the session would walk if it ran the statements that it prepared, each with the statement's name. */
export async function walksIn(pool: PostgresPool, hot: Hot): Promise<readonly string[]> {
  const walks: string[] = []
  for (const [{ name }, params] of hot) {
    const text = `EXPLAIN (FORMAT JSON) EXECUTE plan_${name}(${params.map(literal).join(', ')})`
    const [row] = await pool.run<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>({ name: 'explain', text })
    const plan = row?.['QUERY PLAN'][0]?.Plan
    if (plan === undefined) throw new Error(`${name}: no plan`)
    walks.push(...walksOf(plan).map((walk) => `${name}: ${walk}`))
  }
  return walks
}
