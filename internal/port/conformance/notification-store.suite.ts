import { randomBytes } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  channels,
  type Lane,
  lanes,
  type NewNotification,
  type Notification,
  recipientBytesMax,
} from '../../domain/notification.ts'
import { decideOutcome, type SendResult } from '../../domain/outcome.ts'
import { lookAgainMs } from '../../domain/protocol.ts'
import { aNotification } from '../../testkit/builders.ts'
import { eventually } from '../../testkit/eventually.ts'
import type { Reference } from '../broker.ts'
import type { Claimed, Lease, NotificationStore, Orphan, ReleasedRow, Settlement } from '../notification-store.ts'

export interface StoreUnderTest {
  /** Opened with a time to live of one day and keys kept for one day. */
  readonly store: NotificationStore
  close(): Promise<void>
}

/** A request like many; every call has a tenant of its own unless told otherwise, so that tests do not meet. */
export function makeNew(change: Partial<NewNotification> = {}): NewNotification {
  return aNotification({ id: uuidv7(), tenant: uuidv7(), ...change })
}

export const accepted: SendResult = {
  kind: 'accepted',
  providerMessageId: 'm-1',
  statusCode: 202,
  responseExcerpt: '{"ok":true}',
}
export const failing = (kind: 'transient' | 'rate_limited' | 'permanent' | 'unknown'): SendResult => ({
  kind,
  retryAfterMs: null,
  statusCode: kind === 'unknown' ? null : 503,
  responseExcerpt: null,
  code: kind === 'unknown' ? 'timeout' : 'http_503',
  message: 'the target is away',
})

/** For a retry that may be claimed at once. */
function retryNow(claimed: Claimed, result: SendResult): Settlement {
  const settlement = settlementOf(claimed, result)
  const { decision } = settlement
  return decision.kind === 'retry' ? { ...settlement, decision: { ...decision, afterMs: 0 } } : settlement
}

/** Decides as the engine does, with a back-off of a minute so that nothing is due again by accident. */
export function settlementOf(claimed: Claimed, result: SendResult): Settlement {
  const policy = { baseDelayMs: 60_000, maxDelayMs: 60_000, maxJitterMs: 0 }
  const decision = decideOutcome(claimed, result, policy, () => 0)
  return { claimed, provider: 'webhook', result, decision, durationMs: 12.4 }
}

let leases = 0
/** A lease as every call takes it: under an owner name of its own. */
export function aLease(): Lease {
  return { owner: `w-${++leases}`, durationMs: 60_000 }
}
/** Over as soon as it is given. */
export const spentLease = { owner: 'w-gone', durationMs: 0 }

export async function storeOne(store: NotificationStore, change: Partial<NewNotification> = {}) {
  const notification = makeNew(change)
  const [result] = await store.accept([[notification]])
  if (result?.kind !== 'stored') throw new Error('the row was not stored')
  const ref: Reference = { id: notification.id, leaseToken: 0 }
  return { notification, ref, id: notification.id, tenant: notification.tenant }
}

export async function claimOne(store: NotificationStore, ref: Reference, under = aLease()): Promise<Claimed> {
  const [claimed] = await store.claim([ref], under)
  if (claimed === undefined) throw new Error('the row could not be claimed')
  return claimed
}

/** Sweeps until the attempts of all these rows were ended; rows of other tests may come along. */
export async function sweepUntil(store: NotificationStore, ids: readonly string[], backoffMs = 0) {
  const found = new Map<string, Orphan>()
  await eventually(async () => {
    for (const one of await store.sweepOrphans(100, backoffMs)) found.set(one.id, one)
    return ids.every((id) => found.has(id))
  })
  return ids.map((id) => found.get(id))
}

/** Releases until this row came; rows of other tests may come along. */
export async function releaseUntil(store: NotificationStore, id: string): Promise<ReleasedRow> {
  const counts = lanes.map((lane) => ({ ...lane, count: 1_000 }))
  return await eventually(async () => {
    const found = (await store.releaseDue(counts)).find((one) => one.id === id)
    if (found === undefined) throw new Error('the row was not released')
    return found
  })
}

/** What every store must do. Give it an empty one: lanes are shared, so figures are compared before and after. */
export function notificationStoreConformance(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name} as a notification store`, () => {
    let opened: StoreUnderTest
    let store: NotificationStore
    beforeAll(async () => {
      opened = await open()
      store = opened.store
    })
    afterAll(() => opened.close())

    const read = async (one: { tenant: string; id: string }): Promise<Notification> => {
      const found = await store.lookUpById(one.tenant, one.id)
      if (found === null) throw new Error('no such notification')
      return found
    }
    const attemptsOf = (one: { tenant: string; id: string }) => store.findAttempts(one.tenant, one.id)

    describe('accept', () => {
      it('stores everything a request says', async () => {
        const batchId = uuidv7()
        const one = await storeOne(store, {
          batchId,
          priority: 'HIGH',
          channel: 'EMAIL',
          idempotencyKey: 'k',
          tags: ['a', 'quote"d', 'back\\slash', '{b,ü}', 'NULL'],
          metadata: { nested: { list: [1, null, 'x'] }, text: '"' },
          content: 'line\nline "two" 😀',
          title: 'a "title" \\',
          html: '<p>NULL {}</p>',
          data: { blocks: [{ n: 1.5 }, null], text: '{"' },
          provider: 'smtp-main',
        })
        const { tenant: _tenant, bodyHash: _hash, traceparent: _trace, ...shown } = one.notification
        expect(await read(one)).toMatchObject({
          ...shown,
          expiresAt: expect.any(Date),
          status: 'QUEUED',
          attemptCount: 0,
          generation: 0,
          outcomeUnknown: false,
          nextRetryAt: null,
          providerMessageId: null,
          lastError: null,
        })
      })

      it('stores the longest recipient of every channel, though it is a key of an index', async () => {
        for (const channel of channels) {
          const recipient = randomBytes(recipientBytesMax[channel])
            .toString('base64')
            .slice(0, recipientBytesMax[channel])
          const one = await storeOne(store, { channel, recipient })
          expect(await store.list(one.tenant, { recipient }, { kind: 'offset', offset: 0, limit: 1 })).toHaveLength(1)
        }
      })

      it('says when the row must be looked at again and when it ends', async () => {
        const [result] = await store.accept([[makeNew()]])
        if (result?.kind !== 'stored') throw new Error('not stored')
        const [item] = result.items
        expect(item).toMatchObject({ duplicate: false, status: 'QUEUED' })
        expect(item?.dueInMs).toBeGreaterThan(lookAgainMs - 1_000)
        expect(item?.dueInMs).toBeLessThanOrEqual(lookAgainMs)
        expect(Number(item?.expiresAt) - Number(item?.createdAt)).toBe(86_400_000)
      })

      it('keeps a future schedule ACCEPTED, due then, ending one time to live later', async () => {
        const scheduledAt = new Date(Date.now() + 3_600_000)
        const [result] = await store.accept([[makeNew({ scheduledAt })]])
        if (result?.kind !== 'stored') throw new Error('not stored')
        expect(result.items[0]).toMatchObject({
          status: 'ACCEPTED',
          expiresAt: new Date(scheduledAt.getTime() + 86_400_000),
        })
        expect(Math.abs((result.items[0]?.dueInMs ?? 0) - 3_600_000)).toBeLessThan(5_000)
      })

      it('treats a past schedule as now', async () => {
        const one = await storeOne(store, { scheduledAt: new Date(Date.now() - 60_000) })
        expect((await read(one)).status).toBe('QUEUED')
        const claimed = await claimOne(store, one.ref)
        expect(claimed.waitedMs).toBeLessThan(10_000)
      })

      it('stores nothing twice when the same request is repeated', async () => {
        const request = [makeNew({ idempotencyKey: 'k' }), makeNew()]
        const [first] = await store.accept([request])
        const [second] = await store.accept([request])
        expect(second).toMatchObject({ kind: 'stored', items: request.map(({ id }) => ({ id, duplicate: false })) })
        expect(first?.kind).toBe('stored')
        expect(await store.count(request[0]?.tenant ?? '', {})).toBe(1)
      })

      it('answers a repeated key with the first row', async () => {
        const first = await storeOne(store, { idempotencyKey: 'k' })
        const repeat = makeNew({ idempotencyKey: 'k', tenant: first.tenant })
        expect(await store.accept([[repeat]])).toMatchObject([
          { kind: 'stored', items: [{ id: first.id, duplicate: true }] },
        ])
        expect(await store.lookUpById(first.tenant, repeat.id)).toBeNull()
      })

      it('keeps keys apart by tenant', async () => {
        await storeOne(store, { idempotencyKey: 'k', content: 'one' })
        await storeOne(store, { idempotencyKey: 'k', content: 'two' })
      })

      it('refuses a whole request whose item repeats a key with another body, and only that request', async () => {
        const first = await storeOne(store, { idempotencyKey: 'k' })
        const same = { tenant: first.tenant }
        const refused = [
          makeNew(same),
          makeNew({ ...same, idempotencyKey: 'new' }),
          makeNew({ ...same, idempotencyKey: 'k', content: 'x' }),
        ]
        const fine = [makeNew({ ...same, idempotencyKey: 'new' }), makeNew(same)]
        expect(await store.accept([refused, fine])).toMatchObject([{ kind: 'conflict', index: 2 }, { kind: 'stored' }])
        expect(await store.count(first.tenant, {})).toBe(3)
      })

      it('finds a conflict between two requests of one call', async () => {
        const tenant = uuidv7()
        const one = [makeNew({ tenant, idempotencyKey: 'k', content: 'one' }), makeNew({ tenant })]
        const two = [makeNew({ tenant, idempotencyKey: 'k', content: 'two' }), makeNew({ tenant })]
        expect(await store.accept([one, two])).toMatchObject([{ kind: 'stored' }, { kind: 'conflict', index: 0 }])
        expect(await store.count(tenant, {})).toBe(2)
      })

      it('finds a conflict within one request, at the later item', async () => {
        const tenant = uuidv7()
        const request = ['one', 'two'].map((content) => makeNew({ tenant, idempotencyKey: 'k', content }))
        expect(await store.accept([request])).toEqual([{ kind: 'conflict', index: 1 }])
        expect(await store.count(tenant, {})).toBe(0)
      })

      it('lists a key repeated within a request at both places', async () => {
        const tenant = uuidv7()
        const request = [1, 2].map(() => makeNew({ tenant, idempotencyKey: 'k' }))
        const id = request[0]?.id
        expect(await store.accept([request])).toMatchObject([
          {
            kind: 'stored',
            items: [
              { id, duplicate: false },
              { id, duplicate: true },
            ],
          },
        ])
        expect(await store.count(tenant, {})).toBe(1)
      })

      it('answers empty requests, and no requests', async () => {
        expect(await store.accept([])).toEqual([])
        expect(await store.accept([[], []])).toEqual([
          { kind: 'stored', items: [] },
          { kind: 'stored', items: [] },
        ])
      })

      it('writes nothing when the database refuses the data', async () => {
        const tenant = uuidv7()
        const bad = makeNew({ tenant, content: 'NUL \0' })
        await expect(store.accept([[makeNew({ tenant })], [bad]])).rejects.toMatchObject({
          name: 'Error',
          sqlState: expect.stringMatching(/^22/),
        })
        expect(await store.count(tenant, {})).toBe(0)
      })
    })

    describe('claim', () => {
      it('hands out what is needed to send, once', async () => {
        const one = await storeOne(store, {
          traceparent: '00-aa-bb-01',
          maxRetries: 3,
          channel: 'CHAT',
          title: 'Disk full',
          html: '<p>',
          data: { blocks: [] },
          tags: ['ops', 'a,"b'],
          metadata: { n: 1 },
          provider: 'slack-ops',
        })
        const {
          batchId: _batch,
          idempotencyKey: _key,
          bodyHash: _hash,
          scheduledAt: _from,
          expiresAt: _to,
          ...said
        } = one.notification
        expect(await store.claim([one.ref, one.ref], aLease())).toEqual([
          {
            ...said,
            createdAt: (await read(one)).createdAt,
            generation: 0,
            attempt: 1,
            maxAttempts: 3,
            leaseToken: 1,
            tried: [],
            unknownOver: [],
            openOverPlain: false,
            dueForMs: expect.any(Number),
            waitedMs: expect.any(Number),
          },
        ])
        expect(await store.claim([one.ref], aLease())).toEqual([])
        expect(await read(one)).toMatchObject({ status: 'SENDING', attemptCount: 1 })
      })

      it('answers a repeated call with what it claimed, and nobody else', async () => {
        const [one, two] = [await storeOne(store), await storeOne(store)]
        const mine = aLease()
        const first = await store.claim([one.ref], mine)
        const again = await store.claim([one.ref, two.ref], { ...mine, isRepeat: true })
        expect(new Map(again.map(({ id, attempt, leaseToken }) => [id, { attempt, leaseToken }]))).toEqual(
          new Map([
            [one.id, { attempt: 1, leaseToken: first[0]?.leaseToken }],
            [two.id, { attempt: 1, leaseToken: 1 }],
          ]),
        )
        expect(await store.claim([one.ref, two.ref], { ...aLease(), isRepeat: true })).toEqual([])
      })

      it('passes by stale tokens, schedules, expired rows and unknown ids', async () => {
        const one = await storeOne(store)
        const later = await storeOne(store, { scheduledAt: new Date(Date.now() + 60_000) })
        const expired = await storeOne(store, { expiresAt: new Date(Date.now() - 1_000) })
        const refs = [{ ...one.ref, leaseToken: 1 }, later.ref, expired.ref, { id: uuidv7(), leaseToken: 0 }]
        expect(await store.claim(refs, aLease())).toEqual([])
        expect(await store.claim([], aLease())).toEqual([])
      })

      it('names the connections that this generation went over, oldest first', async () => {
        const one = await storeOne(store)
        let leaseToken = 0
        const over = async (connection: string | null, kind: 'transient' | 'permanent' = 'transient') => {
          const claimed = await claimOne(store, { id: one.id, leaseToken })
          leaseToken = claimed.leaseToken
          const via = connection === null ? {} : { via: { connection, connector: 'sms@1', rule: null } }
          await store.settle([{ ...retryNow(claimed, failing(kind)), ...via }])
          return claimed.tried
        }
        expect(await over('first')).toEqual([])
        expect(await over(null)).toEqual(['first'])
        expect(await over('second')).toEqual(['first'])
        expect(await over('first', 'permanent')).toEqual(['first', 'second'])
        const replayed = await store.replay({ tenant: one.tenant, id: one.id, generation: 0, force: false })
        if (replayed.kind !== 'replayed') throw new Error(replayed.kind)
        expect((await claimOne(store, replayed.reference)).tried).toEqual([])
        expect((await attemptsOf(one))?.map(({ connection, connector }) => [connection, connector])).toEqual([
          ['first', 'sms@1'],
          [null, null],
          ['second', 'sms@1'],
          ['first', 'sms@1'],
        ])
      })

      it('claims no retry before its time, whatever a message says', async () => {
        const one = await storeOne(store)
        const claimed = await claimOne(store, one.ref)
        await store.settle([settlementOf(claimed, failing('transient'))])
        expect(await store.claim([{ id: one.id, leaseToken: claimed.leaseToken }], aLease())).toEqual([])
        expect(await read(one)).toMatchObject({ status: 'QUEUED', attemptCount: 1 })
      })
    })

    describe('head start', () => {
      const start = (items: readonly NewNotification[], lease = aLease()) => ({
        lease,
        ids: new Set(items.map(({ id }) => id)),
      })
      const storeWith = async (items: readonly NewNotification[], lease = aLease()) => {
        const [result] = await store.accept([items], start(items, lease))
        if (result?.kind !== 'stored') throw new Error('the rows were not stored')
        return result.items
      }

      it('stores the row as claimed, and answers what a claim of it would', async () => {
        const item = makeNew({
          title: 'A title',
          data: { bb: 1, a: { z: [{ yy: null, x: 'é' }], é: 2, zz: true } },
          metadata: { order: 7, at: 'x' },
          tags: ['a', 'b'],
          traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
          maxRetries: 3,
        })
        const lease = aLease()
        const [stored] = await storeWith([item], lease)
        expect(stored).toMatchObject({ id: item.id, duplicate: false, status: 'QUEUED' })
        expect(await read(item)).toMatchObject({ status: 'SENDING', attemptCount: 1 })
        const [before] = await store.claim([{ id: item.id, leaseToken: 0 }], { ...lease, isRepeat: true })
        const timeless = { dueForMs: 0, waitedMs: 0 }
        expect(stored?.claimed).toEqual({ ...before, ...timeless })
        // A provider that compares a repeat with the first request must find the same text.
        expect(JSON.stringify([stored?.claimed?.data, stored?.claimed?.metadata])).toBe(
          JSON.stringify([before?.data, before?.metadata]),
        )
      })

      it('is a claim like any other: settled once, and nobody else gets the row', async () => {
        const item = makeNew()
        const [stored] = await storeWith([item])
        if (stored?.claimed == null) throw new Error('not claimed')
        expect(await store.claim([{ id: item.id, leaseToken: 0 }], aLease())).toEqual([])
        expect(await store.settle([settlementOf(stored.claimed, accepted)])).toMatchObject([{ status: 'SENT' }])
        expect(await attemptsOf(item)).toMatchObject([{ number: 1, outcome: 'ok' }])
      })

      it('ends with its lease: the sweep finds the row', async () => {
        const item = makeNew()
        await storeWith([item], spentLease)
        await sweepUntil(store, [item.id])
        expect(await read(item)).toMatchObject({ status: 'QUEUED', outcomeUnknown: true, attemptCount: 1 })
        expect(await attemptsOf(item)).toMatchObject([{ number: 1, outcome: 'abandoned' }])
      })

      it('is for due rows that live, and only for those it names', async () => {
        const later = makeNew({ scheduledAt: new Date(Date.now() + 60_000) })
        const over = makeNew({ tenant: later.tenant, expiresAt: new Date(Date.now() - 1_000) })
        const other = makeNew({ tenant: later.tenant })
        const named = makeNew({ tenant: later.tenant })
        const [result] = await store.accept([[later, over, other, named]], start([later, over, named]))
        if (result?.kind !== 'stored') throw new Error('the rows were not stored')
        expect(result.items.map(({ claimed }) => claimed?.id ?? null)).toEqual([null, null, null, named.id])
        expect((await store.findByIds(later.tenant, [other.id])).map(({ status }) => status)).toEqual(['QUEUED'])
        expect((await store.findByIds(later.tenant, [later.id])).map(({ status }) => status)).toEqual(['ACCEPTED'])
      })

      it('is for the row that holds its key, not for a repeat of it', async () => {
        const key = { idempotencyKey: 'k', bodyHash: 'h' }
        const first = makeNew(key)
        expect((await storeWith([first]))[0]?.claimed?.id).toBe(first.id)
        const again = makeNew({ ...key, tenant: first.tenant })
        expect((await storeWith([again]))[0]).toMatchObject({ id: first.id, duplicate: true, claimed: null })
      })

      it('of an accept without an answer shows in a repeated claim, and a repeated accept stores nothing twice', async () => {
        const item = makeNew()
        const lease = aLease()
        await storeWith([item], lease)
        await store.accept([[item]])
        expect(await read(item)).toMatchObject({ status: 'SENDING' })
        const refs = [{ id: item.id, leaseToken: 0 }]
        expect(await store.claim(refs, aLease())).toEqual([])
        expect(await store.claim(refs, { ...lease, isRepeat: true })).toMatchObject([{ id: item.id, leaseToken: 1 }])
      })
    })

    describe('settle', () => {
      it('ends a success as SENT with its message id and attempt', async () => {
        const one = await storeOne(store)
        const claimed = await claimOne(store, one.ref)
        expect(await store.settle([settlementOf(claimed, accepted)])).toEqual([
          { id: one.id, status: 'SENT', reason: null, dueInMs: null },
        ])
        expect(await read(one)).toMatchObject({
          status: 'SENT',
          providerMessageId: 'm-1',
          attemptCount: 1,
          lastError: null,
          nextRetryAt: null,
        })
        const [attempt] = (await attemptsOf(one)) ?? []
        expect(attempt).toMatchObject({
          number: 1,
          generation: 0,
          provider: 'webhook',
          outcome: 'ok',
          late: false,
          statusCode: 202,
          error: null,
          responseExcerpt: '{"ok":true}',
          durationMs: 12,
          nextRetryAt: null,
        })
        expect(Number(attempt?.finishedAt) - Number(attempt?.startedAt)).toBe(12)
      })

      it('queues a retry for its time, says so to clients, and tells the last error', async () => {
        const one = await storeOne(store)
        const claimed = await claimOne(store, one.ref)
        const [settled] = await store.settle([settlementOf(claimed, failing('transient'))])
        expect(settled).toMatchObject({ status: 'QUEUED', reason: null })
        expect(Math.abs((settled?.dueInMs ?? 0) - 60_000)).toBeLessThan(10)
        const now = await read(one)
        expect(now).toMatchObject({ status: 'QUEUED', lastError: { code: 'http_503', message: 'the target is away' } })
        expect(now.nextRetryAt).toEqual((await attemptsOf(one))?.[0]?.nextRetryAt)
        expect(Number(now.nextRetryAt) - Number(now.updatedAt)).toBe(60_000)
      })

      it('ends as exhausted when the budget is spent, and as permanent at once', async () => {
        const exhausted = await storeOne(store, { maxRetries: 1 })
        const permanent = await storeOne(store)
        const [a, b] = [await claimOne(store, exhausted.ref), await claimOne(store, permanent.ref)]
        await store.settle([settlementOf(a, failing('transient')), settlementOf(b, failing('permanent'))])
        expect(await read(exhausted)).toMatchObject({ status: 'FAILED', lastError: { code: 'http_503' } })
        expect(await read(permanent)).toMatchObject({ status: 'FAILED', attemptCount: 1, nextRetryAt: null })
      })

      it('burns no budget on a rate limit', async () => {
        const one = await storeOne(store, { maxRetries: 1 })
        const first = await claimOne(store, one.ref)
        expect(await store.settle([retryNow(first, failing('rate_limited'))])).toMatchObject([{ status: 'QUEUED' }])
        const second = await claimOne(store, { id: one.id, leaseToken: first.leaseToken })
        expect(second).toMatchObject({ attempt: 2, maxAttempts: 2, maxRetries: 1, waitedMs: null })
        expect(await store.settle([settlementOf(second, failing('transient'))])).toMatchObject([
          { status: 'FAILED', reason: 'retry_exhausted' },
        ])
      })

      it('ends a retry as expired when the time to live is over', async () => {
        const one = await storeOne(store, { expiresAt: new Date(Date.now() + 200) })
        const claimed = await claimOne(store, one.ref)
        await eventually(() => Date.now() > Number(one.notification.expiresAt) + 50)
        expect(await store.settle([settlementOf(claimed, failing('rate_limited'))])).toMatchObject([
          { status: 'FAILED', reason: 'expired', dueInMs: null },
        ])
      })

      it('never lets a due time pass the end of life', async () => {
        const one = await storeOne(store, { expiresAt: new Date(Date.now() + 5_000) })
        const claimed = await claimOne(store, one.ref)
        const [settled] = await store.settle([settlementOf(claimed, failing('transient'))])
        expect(settled?.dueInMs).toBeLessThanOrEqual(5_000)
      })

      it('remembers an unknown outcome through later failures, and forgets it with a success', async () => {
        const one = await storeOne(store)
        const first = await claimOne(store, one.ref)
        await store.settle([retryNow(first, failing('unknown'))])
        const second = await claimOne(store, { id: one.id, leaseToken: first.leaseToken })
        await store.settle([retryNow(second, failing('transient'))])
        expect((await read(one)).outcomeUnknown).toBe(true)
        const third = await claimOne(store, { id: one.id, leaseToken: second.leaseToken })
        await store.settle([settlementOf(third, accepted)])
        expect(await read(one)).toMatchObject({ status: 'SENT', outcomeUnknown: false, attemptCount: 3 })
        expect((await attemptsOf(one))?.map((a) => [a.number, a.outcome])).toEqual([
          [1, 'unknown'],
          [2, 'transient'],
          [3, 'ok'],
        ])
      })

      it('turns away whoever lost the lease, and answers its own repeat again', async () => {
        const one = await storeOne(store)
        const claimed = await claimOne(store, one.ref, spentLease)
        await sweepUntil(store, [one.id])
        expect(await store.settle([settlementOf(claimed, failing('transient'))])).toEqual([])
        const again = await claimOne(store, { id: one.id, leaseToken: 2 })
        const settled = await store.settle([settlementOf(again, accepted)])
        expect(settled).toMatchObject([{ status: 'SENT' }])
        expect(await store.settle([settlementOf(again, accepted)])).toEqual(settled)
        expect(await store.lateSuccess([settlementOf(again, accepted)])).toEqual([])
        expect(await attemptsOf(one)).toHaveLength(2)
      })

      it('stores what a provider says even when it holds NUL or is long', async () => {
        const one = await storeOne(store)
        const claimed = await claimOne(store, one.ref)
        const answer: SendResult = {
          ...accepted,
          kind: 'accepted',
          providerMessageId: 'a\0b',
          responseExcerpt: 'x\0'.repeat(9_000),
        }
        expect(await store.settle([settlementOf(claimed, answer)])).toMatchObject([{ status: 'SENT' }])
        expect((await read(one)).providerMessageId).toBe('ab')
        expect((await attemptsOf(one))?.[0]?.responseExcerpt).toBe('x'.repeat(1_024))
      })
    })

    describe('late success', () => {
      it('moves a swept row to SENT and corrects the attempt', async () => {
        const one = await storeOne(store)
        const claimed = await claimOne(store, one.ref, spentLease)
        await sweepUntil(store, [one.id])
        expect(await store.lateSuccess([settlementOf(claimed, accepted)])).toEqual([one.id])
        expect(await read(one)).toMatchObject({
          status: 'SENT',
          outcomeUnknown: false,
          providerMessageId: 'm-1',
          nextRetryAt: null,
        })
        expect(await attemptsOf(one)).toMatchObject([
          { number: 1, outcome: 'ok', late: true, statusCode: 202, error: null, durationMs: 12 },
        ])
      })

      it('moves a FAILED row, but not one that was claimed again, replayed or canceled', async () => {
        const failed = await storeOne(store, { maxRetries: 1 })
        const reclaimed = await storeOne(store)
        const replayed = await storeOne(store, { maxRetries: 1 })
        const canceled = await storeOne(store)
        const all = [failed, reclaimed, replayed, canceled]
        const claims = await store.claim(
          all.map((one) => one.ref),
          spentLease,
        )
        await sweepUntil(
          store,
          all.map((one) => one.id),
        )
        await store.claim([{ id: reclaimed.id, leaseToken: 2 }], aLease())
        await store.replay({ tenant: replayed.tenant, id: replayed.id, generation: 0, force: true })
        await store.cancel(canceled.tenant, canceled.id)
        expect(await store.lateSuccess(claims.map((one) => settlementOf(one, accepted)))).toEqual([failed.id])
        expect((await read(canceled)).outcomeUnknown).toBe(true)
      })
    })

    describe('scan', () => {
      const lane: Lane = { channel: 'PUSH', priority: 'LOW' }

      it('counts and releases what is due, up to the count of each lane, and says why', async () => {
        const past = new Date(Date.now() + 1_000)
        const rows = await Promise.all([1, 2, 3].map(() => storeOne(store, { ...lane, scheduledAt: past })))
        await eventually(async () => (await store.countDue([lane], 10))[0]?.count === 3)
        expect(await store.countDue([lane, { channel: 'PUSH', priority: 'HIGH' }], 2)).toEqual([{ ...lane, count: 2 }])
        const first = await store.releaseDue([{ ...lane, count: 2 }])
        const second = await store.releaseDue([{ ...lane, count: 2 }])
        const released = [...first, ...second]
        expect([first.length, second.length]).toEqual([2, 1])
        expect(released.map((one) => one.id).sort()).toEqual(rows.map((one) => one.id).sort())
        expect(released.every((one) => one.cause === 'schedule' && one.leaseToken === 0)).toBe(true)
        expect(await read(rows[0] ?? { tenant: '', id: '' })).toMatchObject({ status: 'QUEUED' })
        expect(await store.countDue([lane], 10)).toEqual([])
        expect(await store.claim(released, aLease())).toHaveLength(3)
      })

      it('tells a retry from a lost publish', async () => {
        const one = await storeOne(store)
        const claimed = await claimOne(store, one.ref)
        const decision = { kind: 'retry', afterMs: 0, burnsBudget: true } as const
        await store.settle([{ ...settlementOf(claimed, failing('transient')), decision }])
        const released = await releaseUntil(store, one.id)
        expect(released).toMatchObject({ cause: 'retry', leaseToken: claimed.leaseToken })
        await store.defer([{ id: one.id, leaseToken: released.leaseToken, delayMs: 0 }])
        expect(await releaseUntil(store, one.id)).toMatchObject({ cause: 'retry' })
        const lost = await storeOne(store)
        await store.defer([{ ...lost.ref, delayMs: 0 }])
        expect(await releaseUntil(store, lost.id)).toMatchObject({ cause: 'lost', leaseToken: 1 })
      })

      it('ends expired rows in their lane', async () => {
        const emailLow: Lane = { channel: 'EMAIL', priority: 'LOW' }
        const one = await storeOne(store, { ...emailLow, expiresAt: new Date(Date.now() - 1_000) })
        expect(await store.countDue([emailLow], 10)).toEqual([])
        expect(await store.releaseDue([{ ...emailLow, count: 10 }])).toEqual([])
        expect(await store.expireDue([emailLow], 10)).toEqual([emailLow])
        expect(await store.expireDue([emailLow], 10)).toEqual([])
        expect(await read(one)).toMatchObject({ status: 'FAILED', attemptCount: 0, lastError: { code: 'expired' } })
      })

      it('ends abandoned attempts as unknown: again while budget is left, else exhausted', async () => {
        const again = await storeOne(store)
        const spent = await storeOne(store, { maxRetries: 1 })
        await store.claim([again.ref, spent.ref], spentLease)
        expect(await sweepUntil(store, [again.id, spent.id], 60_000)).toMatchObject([
          { status: 'QUEUED', reason: null },
          { status: 'FAILED', reason: 'retry_exhausted' },
        ])
        expect(await read(spent)).toMatchObject({
          status: 'FAILED',
          outcomeUnknown: true,
          lastError: { code: 'lease_lost' },
        })
        const row = await read(again)
        expect(row).toMatchObject({ status: 'QUEUED', outcomeUnknown: true, attemptCount: 1 })
        expect(row.nextRetryAt).not.toBeNull()
        expect(await attemptsOf(again)).toMatchObject([{ outcome: 'abandoned', startedAt: null, durationMs: null }])
      })

      it('leaves running leases alone', async () => {
        const one = await storeOne(store)
        await claimOne(store, one.ref)
        expect((await store.sweepOrphans(1_000, 0)).map((orphan) => orphan.id)).not.toContain(one.id)
      })

      it('says when the next row of a lane is due, rows being sent left out', async () => {
        const high: Lane = { channel: 'EMAIL', priority: 'HIGH' }
        await store.cancel((await storeOne(store, high)).tenant, '') // unknown id: changes nothing
        const before = await store.nextDueInMs([high])
        expect(before).toBeGreaterThan(0)
        const one = await storeOne(store, { ...high, scheduledAt: new Date(Date.now() + 5_000) })
        expect(await store.nextDueInMs([high])).toBeLessThanOrEqual(5_000)
        await store.cancel(one.tenant, one.id)
        expect(await store.nextDueInMs([high])).toBeGreaterThan(5_000)
        expect(await store.nextDueInMs([{ channel: 'PUSH', priority: 'HIGH' }])).toBeNull()
        const sending = await storeOne(store, { channel: 'PUSH', priority: 'HIGH' })
        await claimOne(store, sending.ref)
        expect(await store.nextDueInMs([{ channel: 'PUSH', priority: 'HIGH' }])).toBeNull()
      })
    })

    describe('attempts over connections', () => {
      const over = (connection: string) => ({ connection, connector: 'twilio@3', rule: 'errors[1]' })

      it('say which connection, connector and rule', async () => {
        const one = await storeOne(store)
        const claimed = await claimOne(store, one.ref)
        await store.settle([{ ...retryNow(claimed, failing('transient')), provider: 'a', via: over('a') }])
        const again = await claimOne(store, { id: one.id, leaseToken: 1 })
        await store.settle([{ ...settlementOf(again, accepted), provider: 'b', via: { ...over('b'), rule: null } }])
        expect(await attemptsOf(one)).toMatchObject([
          { provider: 'a', ...over('a') },
          { provider: 'b', ...over('b'), rule: null },
        ])
      })

      it('without a try name nothing', async () => {
        const one = await storeOne(store)
        const ended: Settlement = {
          ...settlementOf(await claimOne(store, one.ref), failing('permanent')),
          provider: null,
          decision: { kind: 'failed', reason: 'parked' },
        }
        expect(await store.settle([ended])).toMatchObject([{ status: 'FAILED', reason: 'parked' }])
        expect(await attemptsOf(one)).toMatchObject([{ provider: null, connection: null, connector: null, rule: null }])
      })

      it('are told to the next claim, and over which of them it may have arrived', async () => {
        const one = await storeOne(store)
        const first = await claimOne(store, one.ref)
        expect(first).toMatchObject({ tried: [], unknownOver: [] })
        await store.settle([{ ...retryNow(first, failing('transient')), via: over('a') }])
        const second = await claimOne(store, { id: one.id, leaseToken: 1 })
        expect(second).toMatchObject({ tried: ['a'], unknownOver: [] })
        await store.settle([{ ...retryNow(second, failing('unknown')), via: over('b') }])
        const third = await claimOne(store, { id: one.id, leaseToken: 2 }, spentLease)
        expect(third).toMatchObject({ tried: ['a', 'b'], unknownOver: ['b'] })
        await sweepUntil(store, [one.id])
        const fourth = await claimOne(store, { id: one.id, leaseToken: 4 })
        expect(fourth).toMatchObject({ tried: ['a', 'b'], unknownOver: ['b', null] })
        expect(fourth.dueForMs).toBeGreaterThanOrEqual(0)
        expect([third.openOverPlain, fourth.openOverPlain]).toEqual([false, false])
      })

      it('are told from one over the plain provider that may have arrived', async () => {
        const one = await storeOne(store)
        await store.settle([retryNow(await claimOne(store, one.ref), failing('unknown'))])
        const second = await claimOne(store, { id: one.id, leaseToken: 1 })
        expect(second).toMatchObject({ unknownOver: [null], openOverPlain: true })
        await store.settle([retryNow(second, failing('transient'))])
        expect(await claimOne(store, { id: one.id, leaseToken: 2 })).toMatchObject({ openOverPlain: true })
      })

      it('of earlier generations count no more', async () => {
        const one = await storeOne(store)
        const first = await claimOne(store, one.ref)
        const failed: Settlement = {
          ...settlementOf(first, failing('unknown')),
          via: over('a'),
          decision: { kind: 'failed', reason: 'parked' },
        }
        await store.settle([failed])
        const replayed = await store.replay({ tenant: one.tenant, id: one.id, generation: 0, force: true })
        if (replayed.kind !== 'replayed') throw new Error(replayed.kind)
        const again = await claimOne(store, replayed.reference)
        expect(again).toMatchObject({ tried: [], unknownOver: [], dueForMs: null })
      })

      it('name the connection of a success that came late', async () => {
        const one = await storeOne(store)
        const claimed = await claimOne(store, one.ref, spentLease)
        await sweepUntil(store, [one.id], 60_000)
        const success: Settlement = { ...settlementOf(claimed, accepted), provider: 'a', via: over('a') }
        expect(await store.lateSuccess([success])).toEqual([one.id])
        expect(await attemptsOf(one)).toMatchObject([{ outcome: 'ok', late: true, provider: 'a', ...over('a') }])
      })
    })

    describe('defer and release', () => {
      it('moves the due time, voids older copies and burns no attempt', async () => {
        const one = await storeOne(store)
        expect(await store.defer([{ ...one.ref, delayMs: 60_000 }])).toEqual([one.id])
        expect(await store.defer([{ ...one.ref, delayMs: 60_000 }])).toEqual([])
        expect(await store.claim([one.ref], aLease())).toEqual([])
        expect(await claimOne(store, { id: one.id, leaseToken: 1 })).toMatchObject({ attempt: 1 })
      })

      it('gives an unbegun claim back without an attempt', async () => {
        const one = await storeOne(store)
        const claimed = await claimOne(store, one.ref)
        const unbegun = { claimed, delayMs: 60_000 }
        expect(await store.release([unbegun])).toEqual([one.id])
        expect(await store.release([unbegun])).toEqual([])
        expect(await store.settle([settlementOf(claimed, accepted)])).toEqual([])
        expect(await read(one)).toMatchObject({ status: 'QUEUED', attemptCount: 0 })
        expect(await attemptsOf(one)).toEqual([])
        expect(await claimOne(store, { id: one.id, leaseToken: 2 })).toMatchObject({ attempt: 1 })
      })

      it('gives each unbegun claim back until its own time', async () => {
        const lane: Lane = { channel: 'PUSH', priority: 'LOW' }
        const soon = await claimOne(store, (await storeOne(store, lane)).ref)
        const later = await claimOne(store, (await storeOne(store, lane)).ref)
        await store.release([
          { claimed: later, delayMs: 60_000 },
          { claimed: soon, delayMs: 0 },
        ])
        expect(await releaseUntil(store, soon.id)).toMatchObject({ id: soon.id })
        const found = await store.releaseDue([{ ...lane, count: 1_000 }])
        expect(found.map(({ id }) => id)).not.toContain(later.id)
      })
    })

    describe('cancel', () => {
      it('withdraws what waits, once', async () => {
        const one = await storeOne(store, { scheduledAt: new Date(Date.now() + 60_000) })
        expect(await store.cancel(one.tenant, one.id)).toEqual({ kind: 'canceled' })
        expect(await store.cancel(one.tenant, one.id)).toEqual({ kind: 'conflict', status: 'CANCELED' })
        expect(await read(one)).toMatchObject({ status: 'CANCELED', nextRetryAt: null })
      })

      it('tells unknown from too late, and shows no other tenant’s row', async () => {
        const one = await storeOne(store)
        await claimOne(store, one.ref)
        expect(await store.cancel(one.tenant, one.id)).toEqual({ kind: 'conflict', status: 'SENDING' })
        expect(await store.cancel('other', one.id)).toEqual({ kind: 'not_found' })
        expect(await store.cancel(one.tenant, uuidv7())).toEqual({ kind: 'not_found' })
        expect(await store.cancel(one.tenant, 'no-id')).toEqual({ kind: 'not_found' })
      })
    })

    describe('replay', () => {
      async function failedRow(kind: 'permanent' | 'unknown', maxRetries: number) {
        const one = await storeOne(store, { maxRetries })
        await store.settle([settlementOf(await claimOne(store, one.ref), failing(kind))])
        return one
      }

      it('starts a new generation with a new budget', async () => {
        const one = await failedRow('permanent', 3)
        const result = await store.replay({ tenant: one.tenant, id: one.id, generation: 0, force: false })
        if (result.kind !== 'replayed') throw new Error(result.kind)
        expect(result.lane).toEqual({ channel: 'SMS', priority: 'NORMAL' })
        expect(await read(one)).toMatchObject({ status: 'QUEUED', generation: 1, attemptCount: 1 })
        expect(await claimOne(store, result.reference)).toMatchObject({
          attempt: 2,
          maxAttempts: 4,
          generation: 1,
          waitedMs: null,
        })
      })

      it('asks for force when it may have arrived', async () => {
        const one = await failedRow('unknown', 1)
        const request = { tenant: one.tenant, id: one.id, generation: 0 }
        expect(await store.replay({ ...request, force: false })).toEqual({
          kind: 'conflict',
          status: 'FAILED',
          outcomeUnknown: true,
        })
        expect(await store.replay({ ...request, force: true })).toMatchObject({ kind: 'replayed' })
        expect((await read(one)).outcomeUnknown).toBe(false)
      })

      it('refuses another generation, another state, another tenant', async () => {
        const one = await failedRow('permanent', 1)
        const request = { tenant: one.tenant, id: one.id, generation: 0, force: false }
        expect(await store.replay({ ...request, generation: 1 })).toMatchObject({ kind: 'conflict', status: 'FAILED' })
        expect(await store.replay({ ...request, tenant: 'other' })).toEqual({ kind: 'not_found' })
        expect(await store.replay({ ...request, id: 'no-id' })).toEqual({ kind: 'not_found' })
        await store.replay(request)
        expect(await store.replay(request)).toMatchObject({ kind: 'conflict', status: 'QUEUED' })
      })
    })

    describe('reads', () => {
      it('finds by ids within the tenant only', async () => {
        const one = await storeOne(store)
        const two = await storeOne(store, { tenant: one.tenant })
        const foreign = await storeOne(store)
        const ids = [two.id, foreign.id, 'no-id', one.id.toUpperCase()]
        expect((await store.findByIds(one.tenant, ids)).map(({ id }) => id)).toEqual([two.id, one.id])
        expect(await store.lookUpById('other', one.id)).toBeNull()
        expect(await store.findAttempts('other', one.id)).toBeNull()
        expect(await store.findAttempts(one.tenant, 'no-id')).toBeNull()
      })

      it('pages newest first, forth and back, without gap or repeat, even within one moment', async () => {
        const tenant = uuidv7()
        for (let batch = 0; batch < 3; batch++) await store.accept([[1, 2, 3].map(() => makeNew({ tenant }))])
        const all = await store.list(tenant, {}, { kind: 'offset', offset: 0, limit: 100 })
        expect(all).toHaveLength(9)
        const inOrder = all.toSorted((a, b) => Number(b.createdAt) - Number(a.createdAt) || (a.id < b.id ? 1 : -1))
        expect(all.map(({ id }) => id)).toEqual(inOrder.map(({ id }) => id))
        const offset = await store.list(tenant, {}, { kind: 'offset', offset: 4, limit: 2 })
        expect(offset).toEqual(all.slice(4, 6))
        const first = await store.list(tenant, {}, { kind: 'keyset', position: null, limit: 4 })
        const last = first[3]
        if (last === undefined) throw new Error('a short page')
        const place = { createdAt: last.createdAt, id: last.id }
        const after = await store.list(
          tenant,
          {},
          { kind: 'keyset', position: { direction: 'after', ...place }, limit: 4 },
        )
        const before = await store.list(
          tenant,
          {},
          { kind: 'keyset', position: { direction: 'before', ...place }, limit: 2 },
        )
        expect([...first, ...after]).toEqual(all.slice(0, 8))
        expect(before).toEqual(all.slice(1, 3))
      })

      it('filters, counts and estimates by everything the interface offers', async () => {
        const tenant = uuidv7()
        const batchId = uuidv7()
        const special = makeNew({
          tenant,
          batchId,
          channel: 'EMAIL',
          recipient: 'a@b.example',
          correlationId: 'c-9',
          tags: ['x', 'y,"z'],
        })
        await store.accept([[makeNew({ tenant }), special, makeNew({ tenant, tags: ['w'] })]])
        await store.cancel(tenant, special.id)
        const created = (await store.lookUpById(tenant, special.id))?.createdAt ?? new Date()
        const hit = [
          { status: 'CANCELED' },
          { channel: 'EMAIL' },
          { batchId },
          { correlationId: 'c-9' },
          { recipient: 'a@b.example' },
          { tag: 'y,"z' },
          { status: 'CANCELED', channel: 'EMAIL', from: created, to: created, batchId, tag: 'x' },
        ] as const
        for (const filter of hit) {
          const found = await store.list(tenant, filter, { kind: 'keyset', position: null, limit: 10 })
          expect(found.map(({ id }) => id)).toEqual([special.id])
          expect(await store.count(tenant, filter)).toBe(1)
          expect(await store.estimateCount(tenant, filter)).toBeGreaterThanOrEqual(0)
        }
        const miss = [
          { status: 'SENDING' },
          { status: 'FAILED' },
          { tag: 'z' },
          { batchId: 'no-id' },
          { from: new Date(created.getTime() + 1) },
          { to: new Date(created.getTime() - 1), recipient: 'a@b.example' },
        ] as const
        for (const filter of miss) {
          expect(await store.list(tenant, filter, { kind: 'offset', offset: 0, limit: 10 })).toEqual([])
          expect(await store.count(tenant, filter)).toBe(0)
        }
        expect(await store.count(tenant, { status: 'QUEUED', from: created, to: created })).toBe(2)
      })

      it('counts a batch by status', async () => {
        const tenant = uuidv7()
        const batchId = uuidv7()
        const rows = [1, 2, 3].map(() => makeNew({ tenant, batchId }))
        await store.accept([rows])
        await store.cancel(tenant, rows[0]?.id ?? '')
        expect(await store.countBatch(tenant, batchId)).toEqual([
          { status: 'CANCELED', count: 1 },
          { status: 'QUEUED', count: 2 },
        ])
        expect(await store.countBatch('other', batchId)).toEqual([])
        expect(await store.countBatch(tenant, 'no-id')).toEqual([])
      })
    })
  })
}
