import { type Lane, lanes } from '../domain/notification.ts'
import { envelopeRefsMax } from '../domain/protocol.ts'
import type { Broker, Reference } from '../port/broker.ts'

export type PublishableRow = Lane & Reference

/** Hands references to the broker. Resolves when every envelope was answered; never rejects. */
export type Publish = (rows: readonly PublishableRow[]) => Promise<void>

/**
 * The only caller of `broker.publish`: rows → envelopes of one lane and at most 100 references. Failure needs no
 * handling: every row says in the database when somebody must look at it again.
 */
export function makePublish({ broker }: { readonly broker: Pick<Broker, 'publish'> }): Publish {
  return async (rows) => {
    const published = lanes.flatMap((lane) =>
      chunk(rowsOf(lane, rows), envelopeRefsMax).map((refs) => broker.publish({ lane, refs })),
    )
    await Promise.all(published)
  }
}

function rowsOf(lane: Lane, rows: readonly PublishableRow[]): readonly Reference[] {
  return rows
    .filter((row) => row.channel === lane.channel && row.priority === lane.priority)
    .map(({ id, leaseToken }) => ({ id, leaseToken }))
}

export function chunk<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  const chunks: (readonly Item[])[] = []
  for (let at = 0; at < items.length; at += size) chunks.push(items.slice(at, at + size))
  return chunks
}
