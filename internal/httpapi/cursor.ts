import { createHash } from 'node:crypto'
import type { KeysetPosition, NotificationFilter } from '../port/notification-store.ts'
import { invalidField } from './problem.ts'

const pattern = /^1\.([ab])\.(\d{1,15})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([\w-]{11})$/

/** The end of the year 2999, the last one that times of requests may name. */
const createdAtMaxMs = Date.UTC(3000, 0, 1) - 1

/** Opaque to clients: version, direction, createdAt in ms, id, and which filters it belongs to. */
export function encodeCursor(position: KeysetPosition, filter: NotificationFilter): string {
  const direction = position.direction === 'after' ? 'a' : 'b'
  const text = `1.${direction}.${position.createdAt.getTime()}.${position.id}.${filterMark(filter)}`
  return Buffer.from(text).toString('base64url')
}

/** @throws HttpProblem 400 for anything but a cursor that was made for the same filters. */
export function decodeCursor(cursor: string, filter: NotificationFilter): KeysetPosition {
  const text = cursor.length <= 200 ? Buffer.from(cursor, 'base64url').toString('latin1') : ''
  const [, direction, createdAt, id, mark] = pattern.exec(text) ?? []
  // Decoding skips characters that are not base64url, so the cursor must also be the one that would be made.
  const isDate = Number(createdAt) <= createdAtMaxMs
  if (id === undefined || !isDate || Buffer.from(text).toString('base64url') !== cursor) {
    throw invalidField('cursor', 'invalid_cursor', 'expected meta.next or meta.prev of an earlier answer, or nothing')
  }
  if (mark !== filterMark(filter)) {
    throw invalidField('cursor', 'other_filters', 'expected the filters the cursor was made for, found others')
  }
  return { direction: direction === 'a' ? 'after' : 'before', createdAt: new Date(Number(createdAt)), id }
}

/** 64 bits are enough to tell mistakes; a cursor gives no rights. */
function filterMark(filter: NotificationFilter): string {
  const { status, channel, from, to, batchId, correlationId, recipient, tag } = filter
  const parts = [status, channel, from?.getTime(), to?.getTime(), batchId, correlationId, recipient, tag]
  const digest = createHash('sha256')
    .update(JSON.stringify(parts.map((part) => part ?? null)))
    .digest()
  return digest.subarray(0, 8).toString('base64url')
}
