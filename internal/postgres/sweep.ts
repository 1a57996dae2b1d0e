import type { Orphan } from '../port/notification-store.ts'
import { endClaimsStatement, type OrphanRow, sweepOrphansStatement } from './claim-record-statements.ts'
import type { PostgresPool } from './pool.ts'
import { toLane } from './rows.ts'

/** Records of a statement: at most 100 looks each as a rule, so a statement takes well under a second. */
const endedPerStatement = 500
/** Statements of a call: after a long absence of every sweeper the next call goes on. */
const roundsMax = 20

/** Orphans that are known, then what ended since: the cost is that of what ended, whatever else is overdue. */
export async function sweepOrphans(pool: PostgresPool, limit: number, backoffMs: number): Promise<readonly Orphan[]> {
  const swept: Orphan[] = []
  for (let round = 0; round < roundsMax && swept.length < limit; round++) {
    const wanted = limit - swept.length
    const rows = await pool.run(sweepOrphansStatement, [wanted, backoffMs])
    swept.push(...rows.flatMap(toOrphan))
    if (rows.length >= wanted) continue
    const [ended] = await pool.run(endClaimsStatement, [endedPerStatement])
    if (ended === undefined || (ended.orphans === 0 && ended.claims < endedPerStatement)) break
  }
  return swept
}

function toOrphan({ id, channel, priority, status, reason }: OrphanRow): readonly Orphan[] {
  if (channel === null || priority === null || status === null) return []
  return [{ ...toLane({ channel, priority }), id, status, reason }]
}
