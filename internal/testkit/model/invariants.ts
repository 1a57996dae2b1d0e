import { canMove } from '../../domain/status.ts'
import { brokenConstraint, type ModelRow } from './row.ts'

/** What no change of a row may do, whoever makes it; null when it is sound. */
export function wrongMove(before: ModelRow, after: ModelRow): string | null {
  const broken = brokenConstraint(after)
  if (broken !== null) return `constraint ${broken}`
  // Looked at again, or put off: the status stays.
  const stays = before.status === 'QUEUED' && after.status === 'QUEUED'
  if (!stays && !canMove(before.status, after.status)) return `moved from ${before.status} to ${after.status}`
  if (after.leaseToken < before.leaseToken) return 'the token fell'
  return wrongAttempts(after)
}

/** Numbered 1…n without gaps; only an attempt under way has no entry yet. */
export function wrongAttempts(row: ModelRow): string | null {
  if (row.attempts.some((one, index) => one.number !== index + 1)) {
    return `attempts are numbered ${row.attempts.map((one) => one.number).join(', ')}`
  }
  const ended = row.status === 'SENDING' ? row.attemptCount - 1 : row.attemptCount
  return row.attempts.length === ended ? null : `${row.attempts.length} attempts are logged, ${ended} have ended`
}
