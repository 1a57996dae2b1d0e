import type { IncomingHttpHeaders } from 'node:http'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import type { ConnectionName } from './plan.ts'

/** What a request of the engine says. */
export interface Told {
  readonly to: string
  readonly content: string
  /** `<id>:<generation>`, null where the provider is given no key. */
  readonly key: string | null
}

export interface Acceptance {
  readonly status: number
  readonly type: string
  readonly body: string
}

/** How one provider is spoken to. */
export interface ProviderKind {
  /** @throws Error when the request is not what this provider takes. */
  read(body: string, headers: IncomingHttpHeaders, secrets: readonly string[]): Told
  accept(told: Told): Acceptance
}

const webhookBody = z.object({ data: z.object({ id: z.string(), to: z.string(), content: z.string() }) })
const ntfyBody = z.object({ topic: z.string(), message: z.string() })
const twilioBody = z.object({ To: z.string(), From: z.string(), Body: z.string() })
const slackBody = z.object({ text: z.string() })
const pagerBody = z.object({
  routing_key: z.string(),
  dedup_key: z.string(),
  payload: z.object({ summary: z.string() }),
})

const webhook: ProviderKind = {
  read(body, headers, secrets) {
    const { id, to, content } = webhookBody.parse(JSON.parse(body)).data
    const key = verified(body, headers, secrets)
    if (!key.startsWith(`${id}:`)) throw new Error(`webhook-id is ${key}, the message is ${id}`)
    return { to, content, key }
  },
  accept: ({ key }) => json(200, { id: key }),
}

/** @returns `webhook-id`. The age is not looked at: the rig turns the engines' clocks. @throws Error when no secret fits. */
function verified(body: string, headers: IncomingHttpHeaders, secrets: readonly string[]): string {
  const text = (name: string) => String(headers[name] ?? '')
  const [id, at] = [text('webhook-id'), new Date(Number(text('webhook-timestamp')) * 1_000)]
  const given = text('webhook-signature').split(' ')
  if (secrets.some((secret) => given.includes(new Webhook(secret).sign(id, at, body)))) return id
  throw new Error(`no secret of the receiver has made the signature of ${id}`)
}

const kinds: Readonly<Record<Exclude<ConnectionName, 'mail'>, ProviderKind>> = {
  'hook-main': webhook,
  'hook-spare': webhook,
  'hook-api': webhook,
  ntfy: {
    read(body) {
      const { topic, message } = ntfyBody.parse(JSON.parse(body))
      return { to: topic, content: message, key: null }
    },
    accept: () => json(200, { id: 'xE73Iyuabi', event: 'message' }),
  },
  twilio: {
    read(body, { authorization }) {
      if (authorization?.startsWith('Basic ') !== true) throw new Error('no account was named')
      const { To, Body } = twilioBody.parse(Object.fromEntries(new URLSearchParams(body)))
      return { to: To, content: Body, key: null }
    },
    accept: () => json(201, { sid: `SM${'0'.repeat(32)}`, status: 'queued' }),
  },
  slack: {
    read: (body) => ({ to: '', content: slackBody.parse(JSON.parse(body)).text, key: null }),
    accept: () => ({ status: 200, type: 'text/html', body: 'ok' }),
  },
  pager: {
    read(body) {
      const { dedup_key: id, payload } = pagerBody.parse(JSON.parse(body))
      return { to: '', content: payload.summary, key: `${id}:0` }
    },
    accept: ({ key }) => json(202, { status: 'success', dedup_key: key }),
  },
}

export function kindOf(connection: string): ProviderKind | null {
  return Object.entries(kinds).find(([name]) => name === connection)?.[1] ?? null
}

function json(status: number, body: unknown): Acceptance {
  return { status, type: 'application/json', body: JSON.stringify(body) }
}
