import { z } from 'zod'
import { RequestWindow } from './request-window.ts'
import { mediaTypeOf, readJson, type SimulatedProvider, textAnswer } from './simulated-http.ts'

export const slackAccount = {
  webhookUrl: 'https://hooks.slack.com/services/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',
}

const payload = z.strictObject({
  text: z.string().optional(),
  blocks: z.array(z.looseObject({ type: z.string() })).optional(),
  attachments: z.array(z.looseObject({})).optional(),
  unfurl_links: z.boolean().optional(),
  unfurl_media: z.boolean().optional(),
  thread_ts: z.string().optional(),
})

const blocksMax = 50

/** A Slack incoming webhook: every answer is one bare word. */
export function slackSimulator(account = slackAccount, burst = 20): SimulatedProvider {
  const { pathname } = new URL(account.webhookUrl)
  const [team = '', hook = ''] = pathname.split('/').slice(2)
  const window = new RequestWindow(burst, 1_000)
  return {
    name: 'slack-webhook',
    hosts: ['hooks.slack.com'],
    recipientOf: () => null,
    answer(request, now) {
      const [, services, atTeam, atHook] = request.path.split('/')
      if (services !== 'services' || atTeam !== team) return textAnswer(404, 'no_team')
      if (atHook !== hook) return textAnswer(404, 'no_service')
      if (request.path !== pathname) return textAnswer(403, 'invalid_token')
      if (request.method !== 'POST' || mediaTypeOf(request) !== 'application/json') {
        return textAnswer(400, 'invalid_payload')
      }
      const read = readJson(request, payload)
      if ('wrong' in read) return textAnswer(400, 'invalid_payload')
      const { text = '', blocks = [], attachments = [] } = read.value
      if (text === '' && blocks.length === 0 && attachments.length === 0) return textAnswer(400, 'no_text')
      if (blocks.length > blocksMax) return textAnswer(400, 'invalid_blocks')
      if (!window.take(hook, now).allowed) return textAnswer(429, 'rate_limited', { 'retry-after': '1' })
      return textAnswer(200, 'ok')
    },
  }
}
