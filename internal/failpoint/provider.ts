import type { SendResult } from '../domain/outcome.ts'
import type { Provider } from '../port/provider.ts'
import type { Failpoints } from './failpoints.ts'
import { brokenBy, failingSend, type Lost } from './send.ts'

const noAnswer = { statusCode: null, responseExcerpt: null } as const
const lost: Lost<SendResult> = {
  unsent: (what) => ({ kind: 'transient', ...brokenBy(what), ...noAnswer, retryAfterMs: null }),
  unknown: (what) => ({ kind: 'unknown', ...brokenBy(what), ...noAnswer }),
}

/** The plain provider, whose sends break on purpose: {@link failingSend}. */
export function failingProvider(provider: Provider, failpoints: Failpoints): Provider {
  return {
    name: provider.name,
    send: (message, signal) => failingSend(message.content, () => provider.send(message, signal), lost, failpoints),
  }
}
