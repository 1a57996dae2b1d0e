import type { Broker, Envelope, PublishResult } from '../port/broker.ts'

/** The worker of this process, as far as the short way needs it. */
export interface Taker {
  /**
   * Takes as many of the references, from the first on, as it can begin soon: none when a backlog waits before them.
   * @param giveBack called when those it took were not begun after all.
   * @returns how many it took.
   */
  take(envelope: Envelope, giveBack: (taken: Envelope) => void): number
}

export interface Shortcut extends Pick<Broker, 'publish'> {
  /** Until then everything goes to the broker. */
  attach(taker: Taker): void
}

/**
 * The short way from accept to the workers of the same process. A broker spreads work over processes and keeps what cannot
 * be done yet; a reference that an idle worker beside it can begin within the same turn needs neither, and a message,
 * its confirm, its delivery and its acknowledgement cost more than the claim itself. Nothing rests on it: the row says in
 * PostgreSQL when somebody must look at it again. Under more load than the process can take, the broker carries it.
 */
export function withShortcut(broker: Pick<Broker, 'publish'>): Shortcut {
  let taker: Taker | null = null
  return {
    attach: (given) => void (taker = given),
    publish(envelope: Envelope): Promise<PublishResult> {
      const taken = taker?.take(envelope, (back) => void broker.publish(back)) ?? 0
      if (taken === 0) return broker.publish(envelope)
      const { lane, refs } = envelope
      return taken === refs.length ? Promise.resolve('confirmed') : broker.publish({ lane, refs: refs.slice(taken) })
    },
  }
}
