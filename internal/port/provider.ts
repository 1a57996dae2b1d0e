import type { SendResult } from '../domain/outcome.ts'
import type { Claimed } from './notification-store.ts'

/** A way out: hands one notification to whoever brings it to a person. */
export interface Provider {
  /** Stored with every attempt. */
  readonly name: string
  /**
   * Sends once. Every failure of the target, the network or the deadline is a returned value; a rejection is a bug
   * and is treated as an unknown outcome. Every attempt of one generation carries the same {@link providerKey}.
   * @param signal aborts the whole of connect, write and read.
   */
  send(message: Claimed, signal: AbortSignal): Promise<SendResult>
}

/** The key under which a receiver can drop a repeat. */
export function providerKey(message: Pick<Claimed, 'id' | 'generation'>): string {
  return `${message.id}:${message.generation}`
}
