import { defaultTenant, lanes } from '../../../internal/domain/notification.ts'
import type { Reference } from '../../../internal/port/broker.ts'
import type { Claimed, Settlement } from '../../../internal/port/notification-store.ts'
import { aNotification } from '../../../internal/testkit/builders.ts'
import { content } from '../items.ts'
import type { BenchStore } from './bench-store.ts'
import { rowChannels } from './rows.ts'

/** Notifications of an accept, a claim and a settle: the most references that an envelope holds. */
const group = 100
/** RETRY_SCAN_LIMIT as delivered. */
const scanLimit = 100
const pageSize = 20
const leaseMs = 60_000

/** Measures one call as that step. */
export type Timed = <T>(step: string, call: () => Promise<T>) => Promise<T>

export type Round = (timed: Timed) => Promise<void>

/**
 * One of each statement as the engine runs them, on a number of waiting rows that is the same before and after: as many
 * are accepted as are claimed and settled, and what the scan has released is made overdue again, behind all others: that
 * is where a release puts it.
 * @throws Error when a statement did not do what it was timed for.
 */
export async function openRound({ store, admin }: BenchStore): Promise<Round> {
  let after = '00000000-0000-0000-0000-000000000000'
  /** The oldest first, as the broker hands them out. */
  const oldest = async (): Promise<readonly Reference[]> => {
    const rows = await admin<{ id: string; leaseToken: number }[]>`
      SELECT id, lease_token AS "leaseToken" FROM notifications
      WHERE due_at IS NOT NULL AND status = 'QUEUED' AND id > ${after}::uuid ORDER BY id LIMIT ${group}`
    after = rows.at(-1)?.id ?? after
    return rows
  }
  let claims = 0
  return async (timed) => {
    const requests = Array.from({ length: group }, (_, index) => [
      aNotification({ channel: rowChannels[index % rowChannels.length] ?? 'SMS', content }),
    ])
    await timed('accept', () => store.accept(requests))
    const refs = await oldest()
    const lease = { owner: `bench ${++claims}`, durationMs: leaseMs }
    const claimed = await timed('claim', () => store.claim(refs, lease))
    const settled = await timed('settle', () => store.settle(claimed.map(sent)))
    expectCount('settled', settled.length, group)
    // As if its lease had just ended: a sweep looks at every claim once, at that time, settled as this one may be.
    await admin`UPDATE claims SET ends_at = now() - interval '1 ms'`
    const released = await scanOnce(store, timed)
    const [left] = await admin<{ count: number }[]>`SELECT count(*)::int AS count FROM claims`
    expectCount('of claims left', left?.count ?? Number.NaN, 0)
    const moved = [...requests.flat(), ...released].map(({ id }) => id)
    await admin`
      UPDATE notifications SET due_at = now(), publish_count = 0
      WHERE id = ANY(${`{${moved.join()}}`}::uuid[])`
  }
}

/** What the two loops of the scan ask in a pass of each. */
async function scanOnce(store: BenchStore['store'], timed: Timed): Promise<readonly Reference[]> {
  const due = await timed('countDue', () => store.countDue(lanes, scanLimit))
  const released = await timed('releaseDue', () => store.releaseDue(due))
  expectCount('released', released.length, rowChannels.length * scanLimit)
  await timed('nextDue', () => store.nextDueInMs(lanes))
  await timed('expireDue', () => store.expireDue(lanes, scanLimit))
  await timed('sweepOrphans', () => store.sweepOrphans(1, leaseMs))
  return released
}

/** The first page of the list, as the API reads it by cursor: one row more tells whether there is a next page. */
export async function listOnce({ store }: BenchStore, timed: Timed): Promise<void> {
  const page = { kind: 'keyset', position: null, limit: pageSize + 1 } as const
  const rows = await timed('list', () => store.list(defaultTenant, {}, page))
  expectCount('listed', rows.length, page.limit)
}

function sent(claimed: Claimed): Settlement {
  return {
    claimed,
    provider: 'webhook',
    result: { kind: 'accepted', providerMessageId: 'm', statusCode: 202, responseExcerpt: null },
    decision: { kind: 'sent' },
    durationMs: 12,
  }
}

function expectCount(what: string, found: number, expected: number): void {
  if (found !== expected) throw new Error(`expected ${expected} rows ${what}, found ${found}`)
}
