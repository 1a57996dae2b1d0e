import { isDeepStrictEqual } from 'node:util'
import type postgres from 'postgres'
import type { AttemptOutcome } from '../../domain/attempt.ts'
import type { FailureReason, NewNotification, Status } from '../../domain/notification.ts'
import type { Claimed, NotificationStore } from '../../port/notification-store.ts'
import { aNotification } from '../builders.ts'
import { ManualClock } from '../manual-clock.ts'
import { ModelStore } from '../model-store.ts'
import type { ModelRow } from './row.ts'
import type { Bugs } from './steps.ts'

/**
 * Every duration here is a multiple of this, and times are compared in it: PostgreSQL's own clock goes on for some
 * milliseconds while a sequence runs, and that must decide nothing.
 */
export const tickMs = 5_000
export const ttlMs = 40 * tickMs
export const idempotencyTtlMs = 20 * tickMs
export const tenant = 'model'

type Store = Pick<
  NotificationStore,
  Exclude<keyof ModelStore, 'rows' | 'history' | 'unfinished' | 'add'> & keyof NotificationStore
>

/** The same statements on both; any difference throws. */
export class Pair {
  readonly model: ModelStore
  readonly #clock = new ManualClock()
  readonly #store: Store
  readonly #admin: postgres.Sql
  /** Everything that was ever stored or claimed, so that commands may be late and repeat themselves. */
  readonly requests: (readonly NewNotification[])[] = []
  readonly claims: Claimed[] = []

  constructor(store: Store, admin: postgres.Sql, bugs: Bugs) {
    this.model = new ModelStore(() => this.#clock.monotonicMs(), { ttlMs, idempotencyTtlMs, bugs })
    this.#store = store
    this.#admin = admin
  }

  get nowMs(): number {
    return this.#clock.monotonicMs()
  }

  get rows(): readonly ModelRow[] {
    return [...this.model.rows.values()]
  }

  /** An empty store with a few rows to begin with. */
  async begin(): Promise<void> {
    await this.#admin`TRUNCATE notifications, payloads, attempts, idempotency, claims, orphans`
    const items = [1, 2, 3].map((maxRetries) => aNotification({ tenant, maxRetries }))
    this.requests.push(items)
    await this.both(
      'accept',
      (store) => store.accept([items]),
      (results) => results.map(({ kind }) => kind),
    )
  }

  /** Mostly the rows that can be claimed, and the claims that were won last: only such commands lead anywhere. */
  rowsFor(index: number): readonly ModelRow[] {
    const queued = this.rows.filter((row) => row.status === 'QUEUED')
    return index % 4 === 0 || queued.length === 0 ? this.rows : queued
  }

  claimsFor(index: number): readonly Claimed[] {
    const live = this.claims.filter((one) => this.model.rows.get(one.id)?.status === 'SENDING')
    return index % 3 === 0 || live.length === 0 ? this.claims : live.slice(-4)
  }

  /** Time passes in the model by its clock, in PostgreSQL by moving every stored time back. */
  async pass(ms: number): Promise<void> {
    await this.#clock.advance(ms)
    const back = `- interval '${ms} ms'`
    await this.#admin.unsafe(`
      WITH n AS (UPDATE notifications SET lease_until = lease_until ${back}, due_at = due_at ${back},
        next_retry_at = next_retry_at ${back}, expires_at = expires_at ${back}, created_at = created_at ${back}),
      p AS (UPDATE payloads SET scheduled_at = scheduled_at ${back}),
      c AS (UPDATE claims SET ends_at = ends_at ${back}),
      a AS (UPDATE attempts SET next_retry_at = next_retry_at ${back})
      UPDATE idempotency SET expires_at = expires_at ${back}`)
  }

  /** Runs `act` on both stores and compares what `see` makes of the answers, then every row. */
  async both<T>(
    what: string,
    act: (store: Store, isModel: boolean) => Promise<T>,
    see: (answer: T) => unknown,
  ): Promise<T> {
    const real = await act(this.#store, false)
    const modelled = await act(this.model, true)
    same(`answer of ${what}`, see(real), see(modelled))
    same(`rows after ${what}`, await this.#realRows(), this.rows.map((row) => seen(row, this.nowMs)).sort(byId))
    return modelled
  }

  /** The same item for PostgreSQL, whose now is another. */
  shifted(item: NewNotification): NewNotification {
    const shift = (date: Date | null) => (date === null ? null : new Date(Date.now() + date.getTime() - this.nowMs))
    return { ...item, scheduledAt: shift(item.scheduledAt), expiresAt: shift(item.expiresAt) }
  }

  async #realRows(): Promise<readonly SeenRow[]> {
    const rows = await this.#admin<DbRow[]>`
      SELECT id, status, reason, lease_owner AS "leaseOwner", outcome_unknown AS "outcomeUnknown",
        status <> 'SENDING' OR EXISTS (SELECT FROM claims c WHERE c.ends_at = n.lease_until AND n.id = ANY(c.ids))
          OR EXISTS (SELECT FROM orphans o WHERE o.id = n.id AND o.lease_token = n.lease_token) AS "sweepKnows",
        ARRAY[generation, attempt_count, max_attempts, publish_count, lease_token]::text AS counts,
        ARRAY[round(extract(epoch FROM lease_until - now()) * 1000), round(extract(epoch FROM due_at - now()) * 1000),
              round(extract(epoch FROM next_retry_at - now()) * 1000),
              round(extract(epoch FROM expires_at - now()) * 1000)]::text AS times,
        COALESCE((SELECT json_agg(json_build_array(number, generation, outcome, late,
            round(extract(epoch FROM a.next_retry_at - now()) * 1000)) ORDER BY number)
          FROM attempts a WHERE a.notification_id = n.id), '[]')::text AS attempts
      FROM notifications n`
    return rows
      .map(({ counts, times, attempts, ...row }) => ({
        ...row,
        counts: numbers(counts),
        times: numbers(times).map(ticks),
        attempts: attemptsIn(attempts),
      }))
      .sort(byId)
  }
}

type SeenAttempt = readonly [number, number, AttemptOutcome, boolean, number | null]

interface SeenRow {
  readonly id: string
  readonly status: Status
  readonly reason: FailureReason | null
  readonly leaseOwner: string | null
  readonly outcomeUnknown: boolean
  /** Or it is not being sent: else nothing would end it when its worker vanishes. */
  readonly sweepKnows: boolean
  /** generation, attempt_count, max_attempts, publish_count, lease_token */
  readonly counts: readonly (number | null)[]
  /** lease_until, due_at, next_retry_at, expires_at, in ticks from now */
  readonly times: readonly (number | null)[]
  readonly attempts: readonly unknown[]
}

interface DbRow extends Omit<SeenRow, 'counts' | 'times' | 'attempts'> {
  readonly counts: string
  readonly times: string
  readonly attempts: string
}

function seen(row: ModelRow, nowMs: number): SeenRow {
  const inTicks = (atMs: number | null) => ticks(atMs === null ? null : atMs - nowMs)
  const { id, status, reason, leaseOwner, outcomeUnknown } = row
  return {
    id,
    status,
    reason,
    leaseOwner,
    outcomeUnknown,
    sweepKnows: true,
    counts: [row.generation, row.attemptCount, row.maxAttempts, row.publishCount, row.leaseToken],
    times: [row.leaseUntilMs, row.dueAtMs, row.nextRetryAtMs, row.expiresAtMs].map(inTicks),
    attempts: row.attempts.map(
      (one): SeenAttempt => [one.number, one.generation, one.outcome, one.late, inTicks(one.nextRetryAtMs)],
    ),
  }
}

/** Half-way cases do not occur: everything is a multiple of a tick, less what the sequence took. */
export function ticks(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms / tickMs) + 0
}

function numbers(array: string): (number | null)[] {
  return array
    .slice(1, -1)
    .split(',')
    .map((text) => (text === 'NULL' ? null : Number(text)))
}

function attemptsIn(json: string): readonly unknown[] {
  const list: unknown = JSON.parse(json)
  if (!Array.isArray(list)) throw new TypeError('attempts are no array')
  return list.map((one: unknown) =>
    Array.isArray(one)
      ? one.map((value: unknown, index) => (index === 4 && typeof value === 'number' ? ticks(value) : value))
      : one,
  )
}

export function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

function same(what: string, real: unknown, modelled: unknown): void {
  if (isDeepStrictEqual(real, modelled)) return
  throw new Error(`${what}: PostgreSQL ${JSON.stringify(real)}, model ${JSON.stringify(modelled)}`)
}
