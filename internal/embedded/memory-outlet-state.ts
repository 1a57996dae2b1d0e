import type { ConnectionId } from '../domain/connection.ts'
import type { LearntLimit } from '../port/bucket-figures.ts'
import type { Clock } from '../port/clock.ts'
import {
  coolingRecipientsMax,
  halfOpenKeptMs,
  learntKeptMs,
  type OutletState,
  type SharedStanding,
} from '../port/outlet-state.ts'

/** Times on the monotonic clock. */
interface Kept {
  opens: number
  openUntilMs: number
  probingUntilMs: number
  coolUntilMs: number
  readonly recipients: Map<string, number>
  learnt: { readonly limit: LearntLimit; readonly atMs: number } | null
}

/** What a single process knows of its connections; it begins anew with the process. */
export class MemoryOutletState implements OutletState {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #kept = new Map<ConnectionId, Kept>()

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  read(connections: readonly ConnectionId[]): Promise<readonly SharedStanding[]> {
    return Promise.resolve(connections.map((id) => this.#standingOf(this.#of(id))))
  }

  cool(connection: ConnectionId, forMs: number, recipientKey: string | null): void {
    const kept = this.#of(connection)
    const untilMs = this.#clock.monotonicMs() + forMs
    if (recipientKey === null) kept.coolUntilMs = Math.max(kept.coolUntilMs, untilMs)
    else kept.recipients.set(recipientKey, Math.max(kept.recipients.get(recipientKey) ?? 0, untilMs))
    this.#forgetRecipients(kept.recipients)
  }

  learn(connection: ConnectionId, limit: LearntLimit): void {
    this.#of(connection).learnt = { limit, atMs: this.#clock.monotonicMs() }
  }

  open(connection: ConnectionId, opens: number, forMs: number): void {
    Object.assign(this.#of(connection), { opens, openUntilMs: this.#clock.monotonicMs() + forMs, probingUntilMs: 0 })
  }

  probe(connection: ConnectionId, holdMs: number): Promise<boolean> {
    const kept = this.#of(connection)
    const { opens, openForMs, probingForMs } = this.#standingOf(kept)
    const mayTry = opens === 0 || (openForMs === 0 && probingForMs === 0)
    if (mayTry && opens > 0) kept.probingUntilMs = this.#clock.monotonicMs() + holdMs
    return Promise.resolve(mayTry)
  }

  close(connection: ConnectionId): void {
    Object.assign(this.#of(connection), { opens: 0, openUntilMs: 0, probingUntilMs: 0 })
  }

  #standingOf(kept: Kept): SharedStanding {
    const nowMs = this.#clock.monotonicMs()
    const until = (ms: number) => Math.max(0, ms - nowMs)
    const isForgotten = nowMs - kept.openUntilMs >= halfOpenKeptMs
    const waits = [...kept.recipients].map(([key, ms]) => [key, until(ms)] as const)
    return {
      opens: isForgotten ? 0 : kept.opens,
      openForMs: until(kept.openUntilMs),
      probingForMs: until(kept.probingUntilMs),
      coolingForMs: until(kept.coolUntilMs),
      coolingRecipients: new Map(waits.filter(([, ms]) => ms > 0)),
      learnt: learntAfter(kept.learnt, nowMs),
    }
  }

  #forgetRecipients(recipients: Map<string, number>): void {
    if (recipients.size <= coolingRecipientsMax) return
    const nowMs = this.#clock.monotonicMs()
    for (const [key, untilMs] of recipients) if (untilMs <= nowMs) recipients.delete(key)
    const byEnd = [...recipients].sort(([, a], [, b]) => a - b)
    for (const [key] of byEnd.slice(0, Math.max(0, recipients.size - coolingRecipientsMax))) recipients.delete(key)
  }

  #of(connection: ConnectionId): Kept {
    const found = this.#kept.get(connection)
    if (found !== undefined) return found
    const recipients = new Map<string, number>()
    const kept: Kept = { opens: 0, openUntilMs: 0, probingUntilMs: 0, coolUntilMs: 0, recipients, learnt: null }
    this.#kept.set(connection, kept)
    return kept
  }
}

/** Kept for an hour; its reset draws nearer meanwhile. */
function learntAfter(learnt: Kept['learnt'], nowMs: number): LearntLimit | null {
  if (learnt === null || nowMs - learnt.atMs >= learntKeptMs) return null
  const { limit, atMs } = learnt
  const leftMs = limit.resetAfterMs === null ? null : limit.resetAfterMs - (nowMs - atMs)
  return { ...limit, resetAfterMs: leftMs !== null && leftMs > 0 ? leftMs : null }
}
