import fc from 'fast-check'
import { type Lane, lanes } from '../../domain/notification.ts'
import type { SendResult } from '../../domain/outcome.ts'
import type { Claimed, Settlement } from '../../port/notification-store.ts'
import { aNotification } from '../builders.ts'
import { Command } from './command.ts'
import { byId, Pair, tenant, tickMs, ticks } from './pair.ts'

const anyPick = fc.nat(1_000)
const somePicks = fc.array(anyPick, { minLength: 1, maxLength: 4 })
const inTicks = (...counts: readonly number[]) => fc.constantFrom(...counts.map((count) => count * tickMs))
const anyLane = fc.constantFrom<Lane[]>({ channel: 'SMS', priority: 'HIGH' }, { channel: 'PUSH', priority: 'LOW' })

function pick<T>(from: readonly T[], index: number): T | undefined {
  return from.length === 0 ? undefined : from[index % from.length]
}

/** Different ones, in the order picked. */
function picked<T>(from: readonly T[], indexes: readonly number[]): readonly T[] {
  return [...new Set(indexes.flatMap((index) => pick(from, index) ?? []))]
}

const anyItem = fc.record({
  lane: anyLane,
  key: fc.constantFrom(null, null, 'a', 'b'),
  content: fc.constantFrom('one', 'one', 'two'),
  maxRetries: fc.integer({ min: 1, max: 3 }),
  scheduledInMs: fc.option(inTicks(-2, 0, 4, 20)),
  expiresInMs: fc.option(inTicks(-1, 3, 10)),
})

const accept = fc
  .record({
    requests: fc.array(fc.array(anyItem, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
    again: fc.boolean(),
    at: anyPick,
    headStart: fc.option(fc.record({ owner: fc.constantFrom('w1', 'w2'), durationMs: inTicks(6, 6, 0) })),
  })
  .map(
    ({ requests, again, at, headStart }) =>
      new Command<Pair>(again ? 'accept again' : 'accept', async (pair) => {
        const earlier = again ? pick(pair.requests, at) : undefined
        const made = requests.map((request) =>
          request.map(({ lane, key, scheduledInMs, expiresInMs, ...rest }) =>
            aNotification({
              ...lane,
              ...rest,
              tenant,
              idempotencyKey: key,
              bodyHash: rest.content,
              scheduledAt: scheduledInMs === null ? null : new Date(pair.nowMs + scheduledInMs),
              expiresAt: expiresInMs === null ? null : new Date(pair.nowMs + expiresInMs),
            }),
          ),
        )
        const all = earlier === undefined ? made : [earlier, ...made]
        pair.requests.push(...made)
        const ids = new Set(made.flat().map(({ id }) => id))
        const start = headStart === null ? null : { lease: headStart, ids }
        const answers = await pair.both(
          'accept',
          (store, isModel) =>
            store.accept(isModel ? all : all.map((request) => request.map((item) => pair.shifted(item))), start),
          (results) =>
            results.map((result) =>
              // Of two items that conflict either may be named, when one of them conflicts within this very call.
              result.kind === 'conflict'
                ? result.kind
                : result.items.map(({ id, duplicate, status, dueInMs, claimed }) => {
                    return [id, duplicate, status, ticks(dueInMs), { ...claimed, createdAt: null }]
                  }),
            ),
        )
        const stored = answers.flatMap((result) => (result.kind === 'stored' ? result.items : []))
        pair.claims.push(...stored.flatMap(({ claimed }) => claimed ?? []))
      }),
  )

const claim = fc
  .record({
    picks: somePicks,
    off: fc.constantFrom(0, 0, 0, -1, 1),
    owner: fc.constantFrom('w1', 'w2'),
    durationMs: inTicks(6, 6, 0),
    isRepeat: fc.boolean(),
  })
  .map(
    ({ picks, off, owner, durationMs, isRepeat }) =>
      new Command<Pair>('claim', async (pair) => {
        const rows = pair.rowsFor(picks[0] ?? 0)
        const refs = picked(rows, picks).map(({ id, leaseToken }) => ({ id, leaseToken: leaseToken + off }))
        const claims = await pair.both(
          'claim',
          (store) => store.claim(refs, { owner, durationMs, isRepeat }),
          (won) =>
            won
              .map(({ waitedMs, dueForMs, createdAt: _createdAt, ...one }) => ({
                ...one,
                waited: ticks(waitedMs),
                dueFor: ticks(dueForMs),
              }))
              .sort(byId),
        )
        pair.claims.push(...claims)
      }),
  )

const failure = { statusCode: null, responseExcerpt: null, code: 'x', message: 'x', retryAfterMs: null }
type End = Pick<Settlement, 'decision' | 'result' | 'via'>

const failedEnd = fc
  .record({
    kind: fc.constantFrom('transient', 'unknown', 'rate_limited'),
    afterMs: inTicks(0, 0, 2, 200),
    gaveUp: fc.boolean(),
  })
  .map(({ kind, afterMs, gaveUp }): End => {
    const result = { kind, ...failure }
    if (gaveUp && kind !== 'rate_limited') return { decision: { kind: 'failed', reason: 'retry_exhausted' }, result }
    return { decision: { kind: 'retry', afterMs, burnsBudget: kind !== 'rate_limited' }, result }
  })
const accepted: SendResult = { kind: 'accepted', providerMessageId: null, statusCode: 200, responseExcerpt: null }
const anyEnd = fc.oneof(
  fc.constant<End>({ decision: { kind: 'sent' }, result: accepted }),
  failedEnd,
  fc.constant<End>({
    decision: { kind: 'failed', reason: 'permanent_error' },
    result: { kind: 'permanent', ...failure },
  }),
)

const anyVia = fc.constantFrom({}, { via: { connection: 'a', connector: 'k@1', rule: null } })
const someEnds = fc.array(
  fc.tuple(
    anyPick,
    fc.tuple(anyEnd, anyVia).map(([end, via]) => ({ ...end, ...via })),
  ),
  { minLength: 1, maxLength: 3 },
)

function settlements(pair: Pair, ends: readonly (readonly [number, End])[]): readonly Settlement[] {
  const made = new Map<Claimed, Settlement>()
  for (const [index, end] of ends) {
    const claimed = pick(pair.claimsFor(index), index)
    if (claimed !== undefined) made.set(claimed, { claimed, provider: 'model', durationMs: 1, ...end })
  }
  return [...new Map([...made.values()].map((one) => [`${one.claimed.id}/${one.claimed.leaseToken}`, one])).values()]
}

const settle = someEnds.map(
  (ends) =>
    new Command<Pair>('settle', async (pair) => {
      const all = settlements(pair, ends)
      await pair.both(
        'settle',
        (store) => store.settle(all),
        (settled) => settled.map(({ dueInMs, ...one }) => ({ ...one, dueIn: ticks(dueInMs) })).sort(byId),
      )
    }),
)

const lateSuccess = someEnds.map(
  (ends) =>
    new Command<Pair>('late success', async (pair) => {
      const all = settlements(pair, ends)
      await pair.both(
        'late success',
        (store) => store.lateSuccess(all),
        (ids) => ids.toSorted(),
      )
    }),
)

const look = fc.constantFrom(1, 100).map(
  (limit) =>
    new Command<Pair>(`look ${limit}`, async (pair) => {
      await pair.both(
        'count due',
        (store) => store.countDue(lanes, limit),
        (counts) => counts.map((one) => JSON.stringify(one)).sort(),
      )
      await pair.both('next due', (store) => store.nextDueInMs(lanes), ticks)
    }),
)

const release = fc.constantFrom(1, 100).map(
  (most) =>
    new Command<Pair>(`release ${most}`, async (pair) => {
      // Which of two rows of one moment comes first is nobody's promise.
      const dues = pair.rows.map((row) => row.dueAtMs).filter((due) => due !== null)
      const count = new Set(dues).size < dues.length ? 100 : most
      await pair.both(
        'release',
        (store) => store.releaseDue(lanes.map((lane) => ({ ...lane, count }))),
        (rows) => rows.toSorted(byId),
      )
    }),
)

const expire = fc.constant(
  new Command<Pair>('expire', async (pair) => {
    await pair.both(
      'expire',
      (store) => store.expireDue(lanes, 100),
      (ended) => ended.map((one) => JSON.stringify(one)).sort(),
    )
  }),
)

const sweep = inTicks(0, 0, 2).map(
  (backoffMs) =>
    new Command<Pair>('sweep', async (pair) => {
      await pair.both(
        'sweep',
        (store) => store.sweepOrphans(100, backoffMs),
        (orphans) => orphans.toSorted(byId),
      )
    }),
)

const defer = fc.record({ picks: somePicks, off: fc.constantFrom(0, 0, -1), delayMs: inTicks(-1, 0, 3, 100) }).map(
  ({ picks, off, delayMs }) =>
    new Command<Pair>('defer', async (pair) => {
      const refs = picked(pair.rows, picks).map(({ id, leaseToken }) => ({ id, leaseToken: leaseToken + off, delayMs }))
      await pair.both(
        'defer',
        (store) => store.defer(refs),
        (ids) => ids.toSorted(),
      )
    }),
)

const giveBack = fc.record({ picks: somePicks, delayMs: inTicks(-1, 0, 3, 100) }).map(
  ({ picks, delayMs }) =>
    new Command<Pair>('give back', async (pair) => {
      const claims = picked(pair.claims, picks).map((claimed) => ({ claimed, delayMs }))
      await pair.both(
        'give back',
        (store) => store.release(claims),
        (ids) => ids.toSorted(),
      )
    }),
)

const cancel = fc.record({ at: anyPick, whose: fc.constantFrom(tenant, tenant, 'other') }).map(
  ({ at, whose }) =>
    new Command<Pair>('cancel', async (pair) => {
      const id = pick(pair.rows, at)?.id
      if (id !== undefined)
        await pair.both(
          'cancel',
          (store) => store.cancel(whose, id),
          (answer) => answer,
        )
    }),
)

const replay = fc.record({ at: anyPick, off: fc.constantFrom(0, 0, 0, 1), force: fc.boolean() }).map(
  ({ at, off, force }) =>
    new Command<Pair>('replay', async (pair) => {
      const row =
        pick(
          pair.rows.filter((one) => one.status === 'FAILED'),
          at,
        ) ?? pick(pair.rows, at)
      if (row === undefined) return
      const wanted = { tenant, id: row.id, generation: row.generation + off, force }
      await pair.both(
        'replay',
        (store) => store.replay(wanted),
        (answer) => answer,
      )
    }),
)

const pass = inTicks(1, 1, 2, 6, 50).map(
  (ms) => new Command<Pair>(`pass ${ms / tickMs} ticks`, (pair) => pair.pass(ms)),
)

export const anyCommands = fc.commands(
  [
    accept,
    claim,
    claim,
    settle,
    settle,
    lateSuccess,
    look,
    release,
    expire,
    sweep,
    defer,
    giveBack,
    cancel,
    replay,
    pass,
    pass,
  ],
  { maxCommands: 40, size: 'max' },
)
