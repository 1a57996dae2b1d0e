import { Pool, request } from 'undici'

export interface Notification {
  readonly id: string
  readonly channel: string
  readonly recipient: string
  readonly content: string
}

export type Deliver = (notification: Notification) => Promise<void>

/**
 * The leanest send that can be trusted: what the peers deliver with, and the loop that nobody can beat. The request is
 * the one that the engine sends.
 * @param connections at least the sends under way at once.
 */
export function makeDeliver(url: string, connections: number): Deliver {
  const dispatcher = new Pool(new URL(url).origin, { connections, pipelining: 1 })
  return async ({ id, channel, recipient, content }) => {
    const response = await request(url, {
      dispatcher,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': `${id}:0` },
      body: JSON.stringify({ to: recipient, channel: channel.toLowerCase(), content }),
    })
    await response.body.dump()
    if (response.statusCode >= 300) throw new Error(`the target answered ${response.statusCode}`)
  }
}
