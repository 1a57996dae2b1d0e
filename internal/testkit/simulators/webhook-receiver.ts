import { Webhook } from 'standardwebhooks'
import { jsonAnswer, mediaTypeOf, peekJson, type SimulatedProvider, type SimulatedRequest } from './simulated-http.ts'

export const webhookAccount = {
  url: 'https://hooks.example.com/dispatch?source=engine',
  secret: `whsec_${Buffer.from('simulated-webhook-secret-32bytes').toString('base64')}`,
}

export interface WebhookReceiver extends SimulatedProvider {
  /** Ids of the events it took, each once. */
  readonly taken: ReadonlySet<string>
  /** Repeats it dropped. */
  readonly repeats: number
}

/** Somebody's own endpoint that verifies Standard Webhooks and drops repeats by `webhook-id`. */
export function webhookReceiver(account = webhookAccount): WebhookReceiver {
  const taken = new Set<string>()
  let repeats = 0
  const { pathname, search } = new URL(account.url)
  return {
    name: 'webhook',
    hosts: ['hooks.example.com'],
    taken,
    get repeats() {
      return repeats
    },
    recipientOf: (request) => peekJson(request, 'data', 'to'),
    answer(request) {
      if (request.path !== pathname || `?${request.query.toString()}` !== search)
        return jsonAnswer(404, { error: 'no such hook' })
      if (mediaTypeOf(request) !== 'application/json') return jsonAnswer(415, { error: 'JSON, please' })
      const id = verifiedId(request, account.secret)
      if (id === null) return jsonAnswer(401, { error: 'the signature does not verify' })
      if (taken.has(id)) repeats += 1
      taken.add(id)
      return jsonAnswer(200, { id: `event-${[...taken].indexOf(id) + 1}` })
    },
  }
}

/** By the public library of the specification, which also refuses old and future timestamps. */
function verifiedId({ headers, body }: SimulatedRequest, secret: string): string | null {
  const header = (name: string) => String(headers[name] ?? '')
  try {
    new Webhook(secret).verify(body, {
      'webhook-id': header('webhook-id'),
      'webhook-timestamp': header('webhook-timestamp'),
      'webhook-signature': header('webhook-signature'),
    })
    return header('webhook-id')
  } catch {
    return null
  }
}
