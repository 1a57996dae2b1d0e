import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import type { Disturbance, Life, Span } from '../evidence.ts'
import type { Attempt, Change, Row } from '../history.ts'
import type { Promised } from '../load.ts'
import type { ChannelName } from '../load-items.ts'
import type { PlannedConnection } from '../providers/plan.ts'

/** What a target wrote down about one delivery. */
export interface Delivery {
  readonly id: string
  readonly generation: number
  /** `<id>:<generation>`, also where its target was given no key. */
  readonly key: string
  /** That it came over; null = none, from the plain webhook. */
  readonly connection: string | null
  /** When it arrived, and when the answer was about to be sent; epoch milliseconds. */
  readonly at: number
  readonly answeredAt: number | null
  /** Null: it was not answered. */
  readonly status: number | null
  readonly content: string
  readonly channel: string
}

/** What a limit allows over all processes. */
export interface Pace {
  readonly perSecond: number
  readonly burst: number
}

/** Everything that is known after a run: from the client, the targets, the database and the rig. */
export interface Facts {
  readonly promised: readonly Promised[]
  readonly deliveries: readonly Delivery[]
  readonly rows: readonly Row[]
  readonly attempts: readonly Attempt[]
  readonly changes: readonly Change[]
  readonly disturbances: readonly Disturbance[]
  readonly lives: readonly Life[]
  readonly jobTimeoutMs: number
  /** Of each channel, null without a limit. */
  readonly pace: Pace | null
  /** Who counts: all processes together, or each by itself with a burst of its own at its start. */
  readonly counters: { readonly replicas: number; readonly areShared: boolean }
  readonly connections: readonly PlannedConnection[]
  /** Over which connections the notifications of a channel go that go over connections. */
  readonly routes: Readonly<Record<ChannelName, readonly (readonly string[])[]>>
  /** Times in which priorities are judged. */
  readonly fairSpans: readonly Span[]
  /** Sends under way at once on a channel, over all engines. */
  readonly slots: number
}

const line = z.object({
  at: z.number(),
  answeredAt: z.number().nullable(),
  status: z.number().nullable(),
  key: z.string().nullable(),
  content: z.string().nullable(),
  channel: z.string().nullable(),
})

/**
 * Reads a sink's log, oldest arrival first.
 * @param rows tell whose a delivery is that its target was given no key for: the client's own key stands in its content.
 */
export async function readDeliveries(file: string, rows: readonly Row[]): Promise<Delivery[]> {
  const byId = new Map(rows.map((row) => [row.id, row]))
  const byClientKey = new Map(rows.map((row) => [row.key ?? '', row]))
  const deliveries: Delivery[] = []
  for await (const text of createInterface({ input: createReadStream(file) })) {
    const { key: name, channel, content, ...seen } = line.parse(JSON.parse(text))
    const [, connection = null, told = ''] = /^(?:([a-z-]+)\/)?(.*)$/s.exec(name ?? '') ?? []
    const own = byClientKey.get(told)
    const key = own === undefined || connection === null ? told : `${own.id}:0`
    const [id = '', generation = ''] = key.split(':')
    deliveries.push({
      ...seen,
      id,
      generation: Number(generation),
      key,
      connection,
      content: content ?? '',
      channel: connection === null ? (channel ?? '').toUpperCase() : (byId.get(id)?.channel ?? ''),
    })
  }
  return deliveries.sort((a, b) => a.at - b.at)
}

/** Over the connections of its route: whether every receiver drops a repeat under the same key. */
export function isRepeatable({ channel, via }: Pick<Row, 'channel' | 'via'>, { connections, routes }: Routed): boolean {
  const route = Object.entries(routes).find(([name]) => name === channel)?.[1] ?? []
  return !via || route.flat().every((name) => dropsRepeats(name, connections))
}

type Routed = Pick<Facts, 'connections' | 'routes'>

export function dropsRepeats(connection: string | null, connections: readonly PlannedConnection[]): boolean {
  return connection === null || connections.find(({ id }) => id === connection)?.repeatable === true
}

export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  return Map.groupBy(items, keyOf)
}

/** A target took it, as far as the sender can know: it said so, or it said nothing. */
export function mayBeTaken({ status }: Delivery): boolean {
  return status === null || isTaken(status)
}

export function isTaken(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300
}
