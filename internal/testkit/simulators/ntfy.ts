import { z } from 'zod'
import { RequestWindow } from './request-window.ts'
import {
  bearerOf,
  jsonAnswer,
  peekJson,
  readJson,
  type SimulatedAnswer,
  type SimulatedProvider,
} from './simulated-http.ts'

export const ntfyAccount = {
  baseUrl: 'https://ntfy.example.com',
  token: 'tk_simulated0123456789abcdefghij',
  topic: 'alerts',
  /** A topic that this token may not write to. */
  foreignTopic: 'private',
  /** A UnifiedPush topic that nobody listens to. */
  idleTopic: 'upIdle000000',
}

const message = z.strictObject({
  topic: z.string(),
  title: z.string().optional(),
  message: z.string().optional(),
  priority: z.int().min(1).max(5).optional(),
  tags: z.array(z.string()).optional(),
  click: z.string().optional(),
  icon: z.string().optional(),
  attach: z.string().optional(),
  filename: z.string().optional(),
  actions: z.array(z.looseObject({})).optional(),
  markdown: z.boolean().optional(),
  email: z.string().optional(),
  call: z.string().optional(),
  delay: z.string().optional(),
})

const messageBytesMax = 4_096
const titleBytesMax = 1_024

export interface NtfySimulator extends SimulatedProvider {
  /** Messages left of this day. */
  messagesLeft: number
}

/** An ntfy server that wants a token. */
export function ntfySimulator(account = ntfyAccount, requests = 60): NtfySimulator {
  const bucket = new RequestWindow(requests, 300_000)
  let sent = 0
  return {
    name: 'ntfy',
    hosts: ['ntfy.example.com'],
    messagesLeft: 250,
    recipientOf: (request) => peekJson(request, 'topic'),
    answer(request, now) {
      const token = bearerOf(request)
      if (token !== null && token !== account.token) return failure(401, 40101, 'unauthorized')
      if (request.method === 'GET' && request.path === '/v1/health') return jsonAnswer(200, { healthy: true })
      // JSON is published at the root only: elsewhere the body would be the message itself.
      if (request.path !== '/' || !['POST', 'PUT'].includes(request.method))
        return failure(404, 40401, 'page not found')
      if (!bucket.take('visitor', now).allowed) return failure(429, 42901, 'limit reached: too many requests')
      const read = readJson(request, message)
      if ('wrong' in read) return wrongJson(read.at)
      const refusal = judge(read.value, token, account)
      if (refusal !== null) return refusal
      if (this.messagesLeft <= 0) return failure(429, 42908, 'limit reached: daily message quota reached')
      this.messagesLeft -= 1
      sent += 1
      const time = Math.floor(now.getTime() / 1_000)
      return jsonAnswer(200, { id: `sim${sent.toString().padStart(9, '0')}`, time, event: 'message', ...read.value })
    },
  }
}

function wrongJson([field]: readonly PropertyKey[]): SimulatedAnswer {
  if (field === 'priority') return failure(400, 40007, 'invalid priority parameter')
  return failure(400, 40017, 'invalid request: request body must be message JSON')
}

function judge(
  { topic, title = '', message: text = '' }: z.output<typeof message>,
  token: string | null,
  account: typeof ntfyAccount,
): SimulatedAnswer | null {
  if (!/^[-_A-Za-z0-9]{1,64}$/.test(topic)) return failure(400, 40009, 'invalid request: topic invalid')
  if (token === null || topic === account.foreignTopic) return failure(403, 40301, 'forbidden')
  if (Buffer.byteLength(title) > titleBytesMax) return failure(400, 40057, 'invalid request: title too long')
  // A longer message becomes an attachment, which this server does not take.
  if (Buffer.byteLength(text) > messageBytesMax) return failure(400, 40014, 'invalid request: attachments not allowed')
  if (topic === account.idleTopic) {
    return failure(507, 50701, 'cannot publish to UnifiedPush topic without previously active subscriber')
  }
  return null
}

function failure(http: number, code: number, error: string): SimulatedAnswer {
  return jsonAnswer(http, { code, http, error, link: 'https://ntfy.sh/docs/publish/' })
}
