import { z } from 'zod'
import { RequestWindow } from './request-window.ts'
import {
  jsonAnswer,
  mediaTypeOf,
  peekJson,
  readJson,
  type SimulatedAnswer,
  type SimulatedProvider,
} from './simulated-http.ts'

export const telegramAccount = { token: '123456789:AAsimulatedTelegramTokenXXXXXXXXXXX', chat: '77001' }

/** Chats that refuse, each in its own way. */
export const telegramChats = {
  blocked: '77403',
  kicked: '-77403',
  deactivated: '77404',
  migrated: '-77501',
  migratedTo: -1_001_234_567_890,
} as const

const message = z.strictObject({
  chat_id: z.union([z.string(), z.int()]),
  text: z.string(),
  parse_mode: z.enum(['MarkdownV2', 'HTML', 'Markdown']).optional(),
  disable_notification: z.boolean().optional(),
  message_thread_id: z.int().optional(),
  protect_content: z.boolean().optional(),
  link_preview_options: z.looseObject({}).optional(),
  reply_markup: z.looseObject({}).optional(),
})

const textCharsMax = 4_096

/** Telegram's Bot API: sendMessage, and getMe for a test of the token. */
export function telegramSimulator(account = telegramAccount, perSecond = 30): SimulatedProvider {
  const window = new RequestWindow(perSecond, 1_000)
  let sent = 0
  return {
    name: 'telegram-bot',
    hosts: ['api.telegram.org'],
    recipientOf: (request) => peekJson(request, 'chat_id'),
    answer(request, now) {
      const [, token, method] = /^\/bot([^/]+)\/(\w+)$/.exec(request.path) ?? []
      // A token that cannot be one is an unknown path; one that could be is not let in.
      if (token === undefined || !/^\d+:[\w-]{20,}$/.test(token)) return failure(404, 'Not Found')
      if (token !== account.token) return failure(401, 'Unauthorized')
      if (method === 'getMe')
        return jsonAnswer(200, { ok: true, result: { id: 123_456_789, is_bot: true, username: 'sim_bot' } })
      if (method !== 'sendMessage') return failure(404, 'Not Found')
      if (!window.take(token, now).allowed) return failure(429, 'Too Many Requests: retry after 1', { retry_after: 1 })
      if (request.method !== 'POST' || mediaTypeOf(request) !== 'application/json') {
        return failure(400, 'Bad Request: message text is empty')
      }
      const read = readJson(request, message)
      if ('wrong' in read) return failure(400, `Bad Request: can't parse ${read.at.map(String).join('.')}`)
      const refusal = judge(String(read.value.chat_id), read.value.text, account.chat)
      if (refusal !== null) return refusal
      sent += 1
      const result = { message_id: sent, date: Math.floor(now.getTime() / 1_000), text: read.value.text }
      return jsonAnswer(200, { ok: true, result: { ...result, chat: { id: Number(account.chat), type: 'private' } } })
    },
  }
}

function judge(chat: string, text: string, known: string): SimulatedAnswer | null {
  if (text.trim() === '') return failure(400, 'Bad Request: message text is empty')
  if (Array.from(text).length > textCharsMax) return failure(400, 'Bad Request: message is too long')
  switch (chat) {
    case known:
      return null
    case telegramChats.blocked:
      return failure(403, 'Forbidden: bot was blocked by the user')
    case telegramChats.kicked:
      return failure(403, 'Forbidden: bot was kicked from the group chat')
    case telegramChats.deactivated:
      return failure(403, 'Forbidden: user is deactivated')
    case telegramChats.migrated:
      return failure(400, 'Bad Request: group chat was upgraded to a supergroup chat', {
        migrate_to_chat_id: telegramChats.migratedTo,
      })
    default:
      return failure(400, 'Bad Request: chat not found')
  }
}

function failure(status: number, description: string, parameters?: Readonly<Record<string, number>>): SimulatedAnswer {
  return jsonAnswer(status, {
    ok: false,
    error_code: status,
    description,
    ...(parameters === undefined ? {} : { parameters }),
  })
}
