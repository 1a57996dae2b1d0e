import type { ConnectionId } from '../domain/connection.ts'
import type { LearntLimit } from './bucket-figures.ts'

/** What all processes know of a connection at this moment. Times are milliseconds from now. */
export interface SharedStanding {
  /** How often in a row the breaker opened; 0 = closed. */
  readonly opens: number
  /** Until the breaker lets a send through; 0 while `opens` is above 0 = half open. */
  readonly openForMs: number
  /** Until the one send of the half-open breaker is given up; 0 = nobody is trying. */
  readonly probingForMs: number
  /** Until the provider may be asked again; 0 = now. */
  readonly coolingForMs: number
  /** The same for single recipients, by key. */
  readonly coolingRecipients: ReadonlyMap<string, number>
  readonly learnt: LearntLimit | null
}

/**
 * What processes tell each other of connections: waits that a provider asked for, and the circuit breaker. It only ever
 * keeps sends back, so that its loss costs a few sends in vain and nothing else. What is told is never waited for.
 */
export interface OutletState {
  /** In the order given; null when the others cannot be reached. Answers within 200 ms, never rejects. */
  read(connections: readonly ConnectionId[]): Promise<readonly SharedStanding[] | null>
  /** No send for so long over the connection, or to this recipient over it; never shortens an earlier wait. */
  cool(connection: ConnectionId, forMs: number, recipientKey: string | null): void
  learn(connection: ConnectionId, limit: LearntLimit): void
  /** Opens the breaker for `forMs`; then it is half open, until it is closed or nobody has cared for 10 minutes. */
  open(connection: ConnectionId, opens: number, forMs: number): void
  /**
   * Whether this send may be the one that tries the half-open breaker, over all processes; null when the others cannot
   * be reached. After `holdMs` another may. Answers within 200 ms, never rejects.
   */
  probe(connection: ConnectionId, holdMs: number): Promise<boolean | null>
  close(connection: ConnectionId): void
}

/** A half-open breaker that nobody tries closes by itself after this time. */
export const halfOpenKeptMs = 600_000
/** Recipients of one connection that may be waiting at once; those whose wait ends first are forgotten. */
export const coolingRecipientsMax = 1_000
/** What a provider told of its limit is shown for so long. */
export const learntKeptMs = 3_600_000
