import type { SendResult } from '../domain/outcome.ts'
import type { Claimed } from '../port/notification-store.ts'
import type { Provider } from '../port/provider.ts'
import type { Failpoints } from './failpoints.ts'

/** Time for the request to get onto the wire; nothing tells a decorator when it is. */
const bytesWrittenMs = 5

/**
 * Sends that break on purpose. `send.before`: `drop` never sends. `send.afterBytes`: the request was handed over and
 * its answer is awaited. There and at `send.afterAnswer`, `drop` loses the answer.
 */
export function failingProvider(provider: Provider, failpoints: Failpoints): Provider {
  return {
    name: provider.name,
    async send(message: Claimed, signal: AbortSignal): Promise<SendResult> {
      const contents = [message.content]
      if ((await failpoints.pass('send.before', contents)) === 'drop') return lost('transient', 'nothing was sent')
      const sending = provider.send(message, signal)
      const meanwhile = failpoints.draw('send.afterBytes', contents)
      if (meanwhile !== null) {
        sending.catch(() => undefined) // a throw here leaves it unawaited
        await Promise.race([sending.catch(() => undefined), failpoints.sleep(bytesWrittenMs)])
        if ((await failpoints.carryOut('send.afterBytes', meanwhile)) === 'drop') return lost('unknown', 'answer lost')
      }
      const result = await sending
      return (await failpoints.pass('send.afterAnswer', contents)) === 'drop' ? lost('unknown', 'answer lost') : result
    },
  }
}

function lost(kind: 'transient' | 'unknown', what: string): SendResult {
  const common = { code: 'failpoint', message: `a failpoint broke this attempt: ${what}`, statusCode: null }
  return kind === 'transient'
    ? { kind, ...common, responseExcerpt: null, retryAfterMs: null }
    : { kind, ...common, responseExcerpt: null }
}
