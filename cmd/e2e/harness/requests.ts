import { randomInt, randomUUID } from 'node:crypto'
import { eventually } from '../../../internal/testkit/eventually.ts'
import type { Client, NewItem, Resource } from './client.ts'

/** A valid request to somebody nobody else writes to. */
export function plain(fields: Readonly<Record<string, unknown>> = {}): NewItem {
  const recipient = fields['channel'] === 'EMAIL' ? `${randomUUID()}@example.com` : freshNumber()
  return { channel: 'SMS', recipient, content: 'Hello', ...fields }
}

/** A phone number of a length that there can be. */
export function freshNumber(): string {
  return `+4915${String(randomInt(1e11)).padStart(11, '0')}`
}

export function plainItems(count: number, fields: Readonly<Record<string, unknown>> = {}): NewItem[] {
  return Array.from({ length: count }, () => plain(fields))
}

/** Waits until the notification has this status. @throws Error that shows the resource as it was at last. */
export function untilStatus(
  client: Client,
  id: string,
  status: Resource['status'],
  withinMs = 10_000,
): Promise<Resource> {
  const look = async () => {
    const resource = await client.get(id)
    if (resource.status === status) return resource
    throw new Error(`expected ${status} within ${withinMs} ms, found ${JSON.stringify(resource)}`)
  }
  return eventually(look, { withinMs })
}

/** Waits until as many notifications as `count` have this status, over the whole database. */
export async function untilTotal(client: Client, status: string, count: number, withinMs: number): Promise<void> {
  const look = async () => {
    const found = await client.total({ status })
    if (found !== count) throw new Error(`expected ${count} ${status} within ${withinMs} ms, found ${found}`)
  }
  await eventually(look, { withinMs, everyMs: 100 })
}

/** Tries until `look` finds something. */
export function untilFound<T>(what: string, look: () => Promise<T | null> | T | null, withinMs = 10_000): Promise<T> {
  const find = async () => {
    const found = await look()
    if (found === null) throw new Error(`${what}: not found within ${withinMs} ms`)
    return found
  }
  return eventually<T>(find, { withinMs })
}

/** Calls `work` for every item, at most `atOnce` at a time. */
export async function forEachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const left = items.values()
  const lane = async () => {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
}
