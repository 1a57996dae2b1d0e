import { DependencyUnavailableError, KeyReusedError } from '../domain/errors.ts'
import {
  batchItemsMax,
  idempotentBody,
  type Lane,
  type NewNotification,
  type Notification,
  type NotificationId,
} from '../domain/notification.ts'
import type { Clock } from '../port/clock.ts'
import type { AcceptedItem, AcceptResult, Claimed, NotificationStore } from '../port/notification-store.ts'
import type { Telemetry } from '../port/telemetry.ts'
import { makeGate } from './gate.ts'
import type { Start, Starter } from './head-start.ts'
import type { Publish, PublishableRow } from './publish.ts'

/** A notification as validated, with defaults applied. */
export type AcceptInput = Omit<NewNotification, 'id' | 'tenant' | 'batchId' | 'bodyHash' | 'traceparent'>

export interface AcceptRequest {
  readonly tenant: string
  /** A batch gets a batch id, even with one item. */
  readonly kind: 'single' | 'batch'
  readonly items: readonly AcceptInput[]
  readonly traceparent: string | null
}

export interface AcceptedNotification {
  readonly notification: Notification
  /** The row was stored before, under the same idempotency key and with the same body. */
  readonly duplicate: boolean
}

export interface AcceptedRequest {
  readonly batchId: string | null
  /** In the order given. */
  readonly notifications: readonly AcceptedNotification[]
}

/**
 * Stores a request, all of it or nothing; when it returns, the rows are committed. Publishing follows by itself.
 * @throws KeyReusedError when a key was used before with another body.
 * @throws OverloadedError when too many requests are waiting for the database.
 * @throws DependencyUnavailableError when PostgreSQL cannot be reached; a repeat with the same key is safe.
 */
export type Accept = (request: AcceptRequest) => Promise<AcceptedRequest>

export interface AcceptDeps {
  readonly store: Pick<NotificationStore, 'accept' | 'findByIds'>
  readonly publish: Publish
  /** Absent: everything is published. */
  readonly starter?: Starter | undefined
  readonly telemetry: Pick<Telemetry, 'accepted' | 'bound' | 'refused'>
  readonly clock: Pick<Clock, 'monotonicMs' | 'endOfTurn'>
  readonly newId: () => NotificationId
  /** Hex SHA-256. */
  readonly hash: (text: string) => string
  /** Told of all rows that have not been answered yet. Default: nobody. */
  readonly unanswered?: (rows: number) => void
  /** Tells the scan of this process that a row is due sooner than it may think. */
  readonly wakeScanIn: (ms: number) => void
}

export interface AcceptSettings {
  /** Accept statements under way at once. */
  readonly maxInFlight: number
  /** Rows that may wait for one; beyond it requests are refused. */
  readonly maxWaitingRows: number
}

/** Rows that pay for a second statement beside the one under way; fewer join the next. */
const acceptWidenAt = 200
/** Below the time after which usual clients give up on a request. */
const acceptWaitMaxMs = 10_000

export function makeAccept(deps: AcceptDeps, settings: AcceptSettings): Accept {
  const { telemetry, clock } = deps
  const limit = settings.maxWaitingRows
  const store = makeGate(
    (requests: readonly (readonly NewNotification[])[]) => storeGroup(deps, requests),
    {
      maxWeight: batchItemsMax,
      maxInFlight: settings.maxInFlight,
      widenAt: acceptWidenAt,
      maxWaiting: limit,
      maxWaitMs: acceptWaitMaxMs,
      clock,
      watch: {
        waiting: (rows) => telemetry.bound('accept_rows', { inUse: rows, limit }),
        refused: (rows) => telemetry.refused('accept_rows', rows),
      },
    },
    (items) => items.length,
  )

  let unanswered = 0
  const change = (rows: number) => deps.unanswered?.((unanswered += rows))

  async function storeAll(items: readonly NewNotification[]): Promise<AcceptResult> {
    change(items.length)
    try {
      return await store(items)
    } finally {
      change(-items.length)
    }
  }

  return async (request) => {
    const batchId = request.kind === 'batch' ? deps.newId() : null
    const items = request.items.map((input) => toNew(deps, request, input, batchId))
    const result = await storeAll(items)
    if (result.kind === 'conflict') throw keyReused(items, result.index, request.kind)
    const notifications = await toAccepted(deps, request.tenant, items, result.items)
    const first = notifications[0]
    // A batch that only repeats an earlier one is answered under the earlier batch's id.
    const allRepeated = notifications.every((one) => one.duplicate)
    return { batchId: allRepeated && first !== undefined ? first.notification.batchId : batchId, notifications }
  }
}

function toNew(deps: AcceptDeps, request: AcceptRequest, input: AcceptInput, batchId: string | null): NewNotification {
  return {
    ...input,
    id: deps.newId(),
    tenant: request.tenant,
    batchId,
    bodyHash: input.idempotencyKey === null ? null : deps.hash(idempotentBody(input)),
    traceparent: request.traceparent,
  }
}

/** One statement for all requests that came in while the last one was under way; then they are sent or published. */
async function storeGroup(
  deps: AcceptDeps,
  requests: readonly (readonly NewNotification[])[],
): Promise<readonly AcceptResult[]> {
  const start = deps.starter?.reserve(requests.flat()) ?? null
  const { results, left } = await storeTwice(deps, requests, start)
  const claimed: Claimed[] = []
  const queued: PublishableRow[] = []
  const counts = new Map<string, { lane: Lane; count: number }>()
  results.forEach((result, at) => {
    if (result.kind === 'conflict') return
    result.items.forEach((stored, index) => {
      const item = requests[at]?.[index]
      if (item === undefined || stored.duplicate) return
      const { channel, priority } = item
      if (stored.claimed !== null) claimed.push(stored.claimed)
      else if (!left.has(stored.id)) {
        if (stored.status === 'QUEUED') queued.push({ id: stored.id, leaseToken: 0, channel, priority })
        deps.wakeScanIn(stored.dueInMs)
      }
      const key = `${channel}/${priority}`
      const entry = counts.get(key) ?? { lane: { channel, priority }, count: 0 }
      counts.set(key, { lane: entry.lane, count: entry.count + 1 })
    })
  })
  for (const { lane, count } of counts.values()) deps.telemetry.accepted(lane, count)
  // After the answers of this group have gone out.
  if (start !== null && left.size === 0) deps.clock.endOfTurn(() => start.begin(claimed))
  void deps.publish(queued)
  return results
}

interface Stored {
  readonly results: readonly AcceptResult[]
  /** Of these the start finds out by itself. */
  readonly left: ReadonlySet<NotificationId>
}

/**
 * A lost link leaves open whether the rows were committed. The ids were made once per item, so sending the same
 * group again either finds its own rows or stores them: clients do not notice a restarted database connection.
 */
async function storeTwice(
  { store }: AcceptDeps,
  requests: readonly (readonly NewNotification[])[],
  start: Start | null,
): Promise<Stored> {
  try {
    return { results: await store.accept(requests, start), left: noIds }
  } catch (error) {
    if (!(error instanceof DependencyUnavailableError)) {
      start?.begin([])
      throw error
    }
  }
  try {
    return { results: await store.accept(requests), left: start?.ids ?? noIds }
  } finally {
    start?.findOut()
  }
}

const noIds: ReadonlySet<NotificationId> = new Set()

async function toAccepted(
  deps: AcceptDeps,
  tenant: string,
  items: readonly NewNotification[],
  stored: readonly AcceptedItem[],
): Promise<readonly AcceptedNotification[]> {
  const repeatedIds = stored.filter((one) => one.duplicate).map((one) => one.id)
  const repeated = new Map(
    repeatedIds.length === 0 ? [] : (await deps.store.findByIds(tenant, repeatedIds)).map((row) => [row.id, row]),
  )
  return stored.map((one, index) => {
    const item = items[index]
    if (item === undefined) throw new Error(`accept answered ${stored.length} items for ${items.length}`)
    const notification = one.duplicate ? repeated.get(one.id) : undefined
    return { notification: notification ?? toNotification(item, one), duplicate: one.duplicate }
  })
}

/** The resource of a row that was just stored, without reading it back. */
function toNotification(item: NewNotification, stored: AcceptedItem): Notification {
  const { channel, priority, batchId, correlationId, idempotencyKey, recipient, content } = item
  const { title, html, data, provider, tags, metadata } = item
  return {
    id: stored.id,
    channel,
    priority,
    batchId,
    correlationId,
    idempotencyKey,
    recipient,
    content,
    title,
    html,
    data,
    provider,
    status: stored.status,
    providerMessageId: null,
    attemptCount: 0,
    maxRetries: item.maxRetries,
    generation: 0,
    outcomeUnknown: false,
    scheduledAt: item.scheduledAt,
    nextRetryAt: null,
    expiresAt: stored.expiresAt,
    createdAt: stored.createdAt,
    updatedAt: stored.createdAt,
    tags,
    metadata,
    lastError: null,
  }
}

function keyReused(items: readonly NewNotification[], index: number, kind: 'single' | 'batch'): KeyReusedError {
  const key = items[index]?.idempotencyKey ?? ''
  return new KeyReusedError(
    `idempotencyKey ${JSON.stringify(key)} was used before with another body`,
    kind === 'batch' ? index : null,
  )
}
