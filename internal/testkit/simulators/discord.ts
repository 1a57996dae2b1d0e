import { z } from 'zod'
import { RequestWindow, type WindowUse } from './request-window.ts'
import {
  jsonAnswer,
  mediaTypeOf,
  readJson,
  type SimulatedAnswer,
  type SimulatedProvider,
  type SimulatedRequest,
} from './simulated-http.ts'

const webhookId = '223704706495545344'
const webhookToken = 'simulated-discord-token-3d89bb7572e0fb30d8128367b3b1'

export const discordAccount = { webhookUrl: `https://discord.com/api/webhooks/${webhookId}/${webhookToken}` }

const payload = z.strictObject({
  content: z.string().max(2_000).optional(),
  username: z.string().max(80).optional(),
  avatar_url: z.string().optional(),
  embeds: z.array(z.looseObject({})).max(10).optional(),
  allowed_mentions: z.strictObject({ parse: z.array(z.enum(['roles', 'users', 'everyone'])) }).optional(),
})

/** Execute Webhook, and Get Webhook with Token for a test of the URL. */
export function discordSimulator({ limit = 5, windowMs = 2_000 } = {}): SimulatedProvider {
  const window = new RequestWindow(limit, windowMs)
  let sent = 0n
  return {
    name: 'discord-webhook',
    hosts: ['discord.com', 'discordapp.com', 'ptb.discord.com', 'canary.discord.com'],
    recipientOf: () => null,
    answer(request, now) {
      const [, api, webhooks, id, token] = request.path.replace(/^\/api\/v\d+\//, '/api/').split('/')
      if (api !== 'api' || webhooks !== 'webhooks') return failure(404, 0, '404: Not Found')
      if (id !== webhookId) return failure(404, 10015, 'Unknown Webhook')
      if (token !== webhookToken) return failure(401, 50027, 'Invalid Webhook Token')
      if (request.method === 'GET')
        return jsonAnswer(200, { id, type: 1, name: 'alerts', channel_id: '199737254929760256' })
      if (request.method !== 'POST') return failure(405, 0, '405: Method Not Allowed')
      const use = window.take(`${id}/${token}`, now)
      if (!use.allowed) return limited(use, limit)
      const judged = judge(request)
      if (judged !== null) return { ...judged, headers: { ...judged.headers, ...limitHeaders(use, limit) } }
      sent += 1n
      if (request.query.get('wait') !== 'true') return { status: 204, headers: limitHeaders(use, limit) }
      return jsonAnswer(
        200,
        { id: String(1_100_000_000_000_000_000n + sent), type: 0, webhook_id: id },
        limitHeaders(use, limit),
      )
    },
  }
}

function judge(request: SimulatedRequest): SimulatedAnswer | null {
  if (mediaTypeOf(request) !== 'application/json') return failure(400, 50035, 'Invalid Form Body')
  const read = readJson(request, payload)
  if ('wrong' in read) {
    return failure(400, read.at.length === 0 ? 50109 : 50035, 'Invalid Form Body', {
      [String(read.at[0] ?? 'body')]: { _errors: [{ code: 'BASE_TYPE_BAD', message: read.wrong }] },
    })
  }
  const { content = '', embeds = [] } = read.value
  return content === '' && embeds.length === 0 ? failure(400, 50006, 'Cannot send an empty message') : null
}

function limitHeaders({ remaining, resetAt, resetAfterMs }: WindowUse, limit: number): Record<string, string> {
  return {
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': (resetAt.getTime() / 1_000).toFixed(3),
    'x-ratelimit-reset-after': (resetAfterMs / 1_000).toFixed(3),
    'x-ratelimit-bucket': 'abcd1234',
  }
}

function limited(use: WindowUse, limit: number): SimulatedAnswer {
  const seconds = use.resetAfterMs / 1_000
  return jsonAnswer(
    429,
    { message: 'You are being rate limited.', retry_after: seconds, global: false },
    { ...limitHeaders(use, limit), 'retry-after': String(Math.ceil(seconds)), 'x-ratelimit-scope': 'user' },
  )
}

function failure(status: number, code: number, message: string, errors?: unknown): SimulatedAnswer {
  return jsonAnswer(status, { message, code, ...(errors === undefined ? {} : { errors }) })
}
