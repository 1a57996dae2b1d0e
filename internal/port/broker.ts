import type { Channel, Lane, NotificationId } from '../domain/notification.ts'

/** Points at a row; the token makes older copies void (claim, defer, release, sweep and replay raise it). */
export interface Reference {
  readonly id: NotificationId
  /** `lease_token` of the row when the copy was made. */
  readonly leaseToken: number
}

/** One broker message: 1 to `envelopeRefsMax` references of one lane, never a payload. */
export interface Envelope {
  readonly lane: Lane
  readonly refs: readonly Reference[]
}

/** An envelope in the hands of this process. Exactly one of `ack` and `requeue` is called; both never throw. */
export interface Delivery extends Envelope {
  ack(): void
  /** Give back unread, for another worker. */
  requeue(): void
}

/**
 * `confirmed`: the broker has it on disk. `unconfirmed`: refused, returned, timed out, disconnected, or the bound on
 * unconfirmed publishes was reached; it may still arrive. Needs no handling: the scan repairs it.
 */
export type PublishResult = 'confirmed' | 'unconfirmed'

export interface ConsumeOptions {
  readonly channels: readonly Channel[]
  /** Unacknowledged envelopes per lane. */
  readonly prefetch: number
  readonly onDelivery: (delivery: Delivery) => void
}

export interface Consumption {
  /** Takes nothing new; deliveries in hand may still be acknowledged or requeued until the broker is stopped. */
  stop(): Promise<void>
}

/**
 * The fast path from accept to worker. It may lose, repeat or reorder anything: PostgreSQL is the truth. Copies older
 * than `lookAgainMs` that nobody has taken are dropped.
 */
export interface Broker {
  /** Never rejects, never waits longer than its own deadline (5 s). */
  publish(envelope: Envelope): Promise<PublishResult>
  /** Keeps consuming through every loss of connection, channel or consumer until stopped. Resolves at once. */
  consume(options: ConsumeOptions): Consumption
}
