import type { Lane } from '../domain/notification.ts'
import type { LaneCount, ReleasedRow } from '../port/notification-store.ts'
import type { PostgresPool } from './pool.ts'
import { laneArrays, toLane } from './rows.ts'
import {
  countDueStatement,
  expediteStatement,
  expireDueStatement,
  nextDueStatement,
  releaseDueStatement,
} from './scan-statements.ts'

export async function countDue(
  pool: PostgresPool,
  lanes: readonly Lane[],
  limit: number,
): Promise<readonly LaneCount[]> {
  if (lanes.length === 0 || limit <= 0) return []
  const rows = await pool.run(countDueStatement, [...laneArrays(lanes), limit])
  return rows.map((row) => ({ ...toLane(row), count: row.count }))
}

export async function releaseDue(pool: PostgresPool, counts: readonly LaneCount[]): Promise<readonly ReleasedRow[]> {
  const wanted = counts.filter((one) => one.count > 0)
  if (wanted.length === 0) return []
  const rows = await pool.run(releaseDueStatement, [...laneArrays(wanted), wanted.map((one) => one.count)])
  return rows.map((row) => ({ ...toLane(row), id: row.id, leaseToken: row.leaseToken, cause: row.cause }))
}

export async function expireDue(pool: PostgresPool, lanes: readonly Lane[], limit: number): Promise<readonly Lane[]> {
  if (lanes.length === 0 || limit <= 0) return []
  return (await pool.run(expireDueStatement, [...laneArrays(lanes), limit])).map(toLane)
}

/** Rows per statement: well within its time-out. */
const expediteGroup = 5_000

/**
 * Makes every QUEUED row that does not wait for the time of a retry due now, because whatever was published is lost: a broker inside the
 * process has just been started. Returns how many there were.
 */
export async function expedite(pool: PostgresPool): Promise<number> {
  let moved = 0
  for (;;) {
    const { length } = await pool.run(expediteStatement, [expediteGroup])
    moved += length
    if (length < expediteGroup) return moved
  }
}

export async function nextDueInMs(pool: PostgresPool, lanes: readonly Lane[]): Promise<number | null> {
  if (lanes.length === 0) return null
  const [row] = await pool.run(nextDueStatement, laneArrays(lanes))
  return row?.dueInMs ?? null
}
