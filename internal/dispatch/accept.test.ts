import { describe, expect, it } from 'vitest'
import { DependencyUnavailableError, KeyReusedError } from '../domain/errors.ts'
import type { NewNotification, Notification } from '../domain/notification.ts'
import type { AcceptedItem, AcceptResult } from '../port/notification-store.ts'
import { aNotification, anId } from '../testkit/builders.ts'
import { ManualClock, settle } from '../testkit/manual-clock.ts'
import { RecordingTelemetry } from '../testkit/telemetry.ts'
import { type AcceptRequest, makeAccept } from './accept.ts'
import { makePublish } from './publish.ts'

const createdAt = new Date('2026-01-01T00:00:00.000Z')
const expiresAt = new Date('2026-01-02T00:00:00.000Z')

function stored(item: NewNotification, change: Partial<AcceptedItem> = {}): AcceptedItem {
  return {
    id: item.id,
    duplicate: false,
    createdAt,
    expiresAt,
    status: 'QUEUED',
    dueInMs: 30_000,
    claimed: null,
    ...change,
  }
}

type Requests = readonly (readonly NewNotification[])[]

function setup(
  answer: (requests: Requests) => readonly AcceptResult[] | Error = created,
  rows: readonly Notification[] = [],
) {
  const statements: Requests[] = []
  const envelopes: { lane: string; ids: number }[] = []
  const wakes: number[] = []
  const telemetry = new RecordingTelemetry()
  const accept = makeAccept(
    {
      store: {
        async accept(requests) {
          statements.push(requests)
          const result = answer(requests)
          if (result instanceof Error) throw result
          return result
        },
        findByIds: async (_tenant, ids) => rows.filter((row) => ids.includes(row.id)),
      },
      publish: makePublish({
        broker: {
          async publish({ lane, refs }) {
            envelopes.push({ lane: `${lane.channel}/${lane.priority}`, ids: refs.length })
            return 'confirmed'
          },
        },
      }),
      telemetry,
      clock: new ManualClock(),
      newId: anId,
      hash: (text) => `hash of ${text}`,
      wakeScanIn: (ms) => void wakes.push(ms),
    },
    { maxInFlight: 1, maxWaitingRows: 5_000 },
  )
  return { accept, statements, envelopes, wakes, telemetry }
}

function created(requests: Requests): readonly AcceptResult[] {
  return requests.map((items) => ({ kind: 'stored', items: items.map((item) => stored(item)) }))
}

function aRequest(count = 1, change: Partial<NewNotification> = {}): AcceptRequest {
  return {
    tenant: 'default',
    kind: count === 1 ? 'single' : 'batch',
    traceparent: null,
    items: Array.from({ length: count }, () => aNotification(change)),
  }
}

describe('accept', () => {
  it('answers with the stored resource and publishes its reference', async () => {
    const { accept, envelopes, telemetry } = setup()
    const { batchId, notifications } = await accept(aRequest())
    expect(batchId).toBeNull()
    expect(notifications).toMatchObject([
      { duplicate: false, notification: { status: 'QUEUED', attemptCount: 0, createdAt, expiresAt, lastError: null } },
    ])
    expect(envelopes).toEqual([{ lane: 'SMS/NORMAL', ids: 1 }])
    expect(telemetry.calls.accepted).toEqual([[{ channel: 'SMS', priority: 'NORMAL' }, 1]])
  })

  it('requests that arrive during a statement share the next one, and their envelopes', async () => {
    const { accept, statements, envelopes } = setup()
    const first = accept(aRequest())
    await settle()
    const later = Array.from({ length: 250 }, () => accept(aRequest()))
    await Promise.all([first, ...later])
    expect(statements.map((requests) => requests.length)).toEqual([1, 250])
    expect(envelopes.map((one) => one.ids)).toEqual([1, 100, 100, 50])
  })

  it('a scheduled notification is not published; the scan is told when it is due', async () => {
    const { accept, envelopes, wakes } = setup((requests) =>
      requests.map((items) => ({
        kind: 'stored',
        items: items.map((item) => stored(item, { status: 'ACCEPTED', dueInMs: 1_500 })),
      })),
    )
    const { notifications } = await accept(aRequest())
    expect(notifications[0]?.notification.status).toBe('ACCEPTED')
    expect(envelopes).toEqual([])
    expect(wakes).toEqual([1_500])
  })

  it('a repeat under the same key is answered with the row as it now is, and not published again', async () => {
    const first = setup()
    const original = (await first.accept(aRequest(1, { idempotencyKey: 'k' }))).notifications[0]?.notification
    if (original === undefined) throw new Error('one notification expected')
    const { accept, envelopes } = setup(
      (requests) =>
        requests.map((items) => ({
          kind: 'stored',
          items: items.map((item) => stored(item, { id: original.id, duplicate: true })),
        })),
      [{ ...original, status: 'SENT', attemptCount: 1 }],
    )
    const { notifications } = await accept(aRequest(1, { idempotencyKey: 'k' }))
    expect(notifications).toMatchObject([{ duplicate: true, notification: { id: original.id, status: 'SENT' } }])
    await settle()
    expect(envelopes).toEqual([])
  })

  it('another body under a used key names the key, and in a batch its index', async () => {
    const { accept } = setup((requests) => requests.map(() => ({ kind: 'conflict', index: 0 })))
    await expect(accept(aRequest(1, { idempotencyKey: 'k' }))).rejects.toMatchObject({ index: null })
    const failed = accept(aRequest(2, { idempotencyKey: 'k' }))
    await expect(failed).rejects.toBeInstanceOf(KeyReusedError)
    await expect(failed).rejects.toMatchObject({ index: 0, message: expect.stringContaining('"k"') })
  })

  it('a lost link is tried once more with the same ids', async () => {
    let calls = 0
    const { accept, statements } = setup((requests) =>
      ++calls === 1 ? new DependencyUnavailableError('postgres', 'link lost') : created(requests),
    )
    await accept(aRequest(3))
    const ids = statements.map((requests) => requests.flat().map((item) => item.id))
    expect(ids[1]).toEqual(ids[0])
  })

  it('says so when PostgreSQL stays away', async () => {
    const { accept } = setup(() => new DependencyUnavailableError('postgres', 'away'))
    await expect(accept(aRequest())).rejects.toBeInstanceOf(DependencyUnavailableError)
  })
})
