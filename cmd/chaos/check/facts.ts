import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import type { Disturbance, Life, Span } from '../evidence.ts'
import type { Attempt, Change, Row } from '../history.ts'
import type { Promised } from '../load.ts'

/** What a target wrote down about one delivery. */
export interface Delivery {
  readonly id: string
  readonly generation: number
  readonly key: string
  /** When it arrived, and when the answer was about to be sent; epoch milliseconds. */
  readonly at: number
  readonly answeredAt: number | null
  /** Null: it was not answered. */
  readonly status: number | null
  readonly content: string
  readonly channel: string
}

/** What the shared limit of a channel allows. */
export interface Pace {
  readonly perSecond: number
  readonly burst: number
  readonly replicas: number
  /** False: each process has a counter of its own, which begins with a full burst. */
  readonly isShared: boolean
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

/** Reads a sink's log, oldest arrival first. */
export async function readDeliveries(file: string): Promise<Delivery[]> {
  const deliveries: Delivery[] = []
  for await (const text of createInterface({ input: createReadStream(file) })) {
    const { at, answeredAt, status, key, content, channel } = line.parse(JSON.parse(text))
    const [id = '', generation = ''] = (key ?? '').split(':')
    deliveries.push({
      id,
      generation: Number(generation),
      key: key ?? '',
      at,
      answeredAt,
      status,
      content: content ?? '',
      channel: (channel ?? '').toUpperCase(),
    })
  }
  return deliveries.sort((a, b) => a.at - b.at)
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
