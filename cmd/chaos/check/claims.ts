import type { Life } from '../evidence.ts'
import type { Change } from '../history.ts'

/** A time in which one process owned a notification. */
export interface Claim {
  readonly at: number
  readonly pid: number
  readonly leaseUntil: number
  /** When the row left SENDING; null while it has not. */
  readonly endedAt: number | null
  /** The token says who ended it: settled under its own, taken away under a higher one. */
  readonly settled: boolean
}

/** From the changes of one notification, in order. What was given back unbegun is no claim: nothing was sent under it. */
export function claimsOf(changes: readonly Change[]): Claim[] {
  return changes.flatMap((change, index): Claim[] => {
    if (change.to !== 'SENDING' || change.leaseUntil === null) return []
    const end = changes[index + 1]
    if (end !== undefined && end.attempt < change.attempt) return []
    return [
      {
        at: change.at,
        pid: pidOf(change.owner),
        leaseUntil: change.leaseUntil,
        endedAt: end?.at ?? null,
        settled: end?.token === change.token,
      },
    ]
  })
}

/** Owners are called `<host>-<pid>-<eight hex digits>`, with a number for each claim. */
function pidOf(owner: string | null): number {
  return Number(/-(\d+)-[0-9a-f]{8}(?:#\d+)?$/.exec(owner ?? '')?.[1] ?? Number.NaN)
}

/** A statement that was under way when its process ended takes effect all the same. */
const afterEndMs = 1_000

/** The life that made a claim: ids of processes are reused, so the time decides too. */
export function lifeOf({ pid, at }: Pick<Claim, 'pid' | 'at'>, lives: readonly Life[]): Life | null {
  return (
    lives.find(
      (life) =>
        life.pid === pid && life.startedAt <= at && (life.endedAt ?? Number.POSITIVE_INFINITY) + afterEndMs > at,
    ) ?? null
  )
}
