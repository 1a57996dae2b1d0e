import { describe, expect, it } from 'vitest'
import { discordAccount, discordSimulator } from './discord.ts'
import { fcmSimulator } from './fcm.ts'
import { googleTokens, makeServiceAccount } from './google-oauth2.ts'
import { ntfyAccount, ntfySimulator } from './ntfy.ts'
import { pagerdutyAccount, pagerdutySimulator } from './pagerduty.ts'
import { pushoverAccount, pushoverSimulator } from './pushover.ts'
import { RequestWindow } from './request-window.ts'
import { sendgridAccount, sendgridSimulator } from './sendgrid.ts'
import type { SimulatedProvider, SimulatedRequest } from './simulated-http.ts'
import { slackAccount, slackSimulator } from './slack.ts'
import { teamsAccount, teamsSimulator } from './teams.ts'
import { telegramAccount, telegramSimulator } from './telegram.ts'
import { twilioAccount, twilioSimulator } from './twilio.ts'
import { webhookAccount, webhookReceiver } from './webhook-receiver.ts'

const now = new Date(Date.UTC(2026, 0, 1))
const json = { 'content-type': 'application/json' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const basic = Buffer.from(`${twilioAccount.accountSid}:${twilioAccount.authToken}`).toString('base64')
const twilioHeaders = { ...form, authorization: `Basic ${basic}` }
const twilioUrl = `https://api.twilio.com/2010-04-01/Accounts/${twilioAccount.accountSid}/Messages.json`
const sendgridHeaders = { ...json, authorization: `Bearer ${sendgridAccount.apiKey}` }
const ntfyHeaders = { authorization: `Bearer ${ntfyAccount.token}` }
const telegramUrl = `https://api.telegram.org/bot${telegramAccount.token}/sendMessage`
const card = { type: 'AdaptiveCard', version: '1.4', body: [{ type: 'TextBlock', text: 'x' }] }
const attachment = { contentType: 'application/vnd.microsoft.card.adaptive', content: card }
const mail = {
  personalizations: [{ to: [{ email: 'ada@example.com' }] }],
  from: { email: sendgridAccount.verifiedSender },
  subject: 'x',
  content: [{ type: 'text/plain', value: 'x' }],
}
const event = {
  routing_key: pagerdutyAccount.routingKey,
  event_action: 'trigger',
  payload: { summary: 'x', source: 'y', severity: 'error' },
}

interface Sent {
  readonly url: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** An object goes out as JSON, parameters as a form. */
  readonly body?: object | string
}

async function ask(provider: SimulatedProvider, { url, method = 'POST', headers = json, body = '' }: Sent) {
  const { hostname, pathname, searchParams } = new URL(url)
  const text = typeof body === 'string' || body instanceof URLSearchParams ? String(body) : JSON.stringify(body)
  const request: SimulatedRequest = { method, host: hostname, path: pathname, query: searchParams, headers, body: text }
  return provider.answer(request, now)
}

const sms = (fields: Readonly<Record<string, string>>) => new URLSearchParams({ From: twilioAccount.from, ...fields })
const push = (fields: Readonly<Record<string, string>>) => new URLSearchParams({ ...pushoverAccount, ...fields })
const pushoverUrl = 'https://api.pushover.net/1/messages.json'
const sendgridUrl = 'https://api.sendgrid.com/v3/mail/send'
const pagerdutyUrl = 'https://events.pagerduty.com/v2/enqueue'
const ntfyUrl = `${ntfyAccount.baseUrl}/`

/** Provider, request, status and a piece of the answer. */
const refused: readonly (readonly [string, () => SimulatedProvider, Sent, number, string])[] = [
  ['Twilio: JSON', twilioSimulator, { url: twilioUrl, headers: { ...twilioHeaders, ...json } }, 415, '20415'],
  [
    'Twilio: no recipient',
    twilioSimulator,
    { url: twilioUrl, headers: twilioHeaders, body: sms({ Body: 'x' }) },
    400,
    '21604',
  ],
  [
    'Twilio: no body',
    twilioSimulator,
    { url: twilioUrl, headers: twilioHeaders, body: sms({ To: '+14155550100' }) },
    400,
    '21602',
  ],
  [
    'Twilio: 1,601 characters',
    twilioSimulator,
    { url: twilioUrl, headers: twilioHeaders, body: sms({ To: '+14155550100', Body: 'x'.repeat(1_601) }) },
    400,
    '21617',
  ],
  [
    'SendGrid: no subject',
    sendgridSimulator,
    { url: sendgridUrl, headers: sendgridHeaders, body: { ...mail, subject: '' } },
    400,
    'subject',
  ],
  [
    'SendGrid: HTML before plain text',
    sendgridSimulator,
    {
      url: sendgridUrl,
      headers: sendgridHeaders,
      body: { ...mail, content: [{ type: 'text/html', value: 'x' }, ...mail.content] },
    },
    400,
    'content.0.type',
  ],
  [
    'SendGrid: a custom argument that is no text',
    sendgridSimulator,
    {
      url: sendgridUrl,
      headers: sendgridHeaders,
      body: { ...mail, personalizations: [{ ...mail.personalizations[0], custom_args: { n: 7 } }] },
    },
    400,
    'custom_args',
  ],
  ['Slack: no text', slackSimulator, { url: slackAccount.webhookUrl, body: {} }, 400, 'no_text'],
  ['Slack: no JSON', slackSimulator, { url: slackAccount.webhookUrl, body: 'text=x' }, 400, 'invalid_payload'],
  [
    'Slack: 51 blocks',
    slackSimulator,
    { url: slackAccount.webhookUrl, body: { blocks: Array.from({ length: 51 }, () => ({ type: 'divider' })) } },
    400,
    'invalid_blocks',
  ],
  [
    'Discord: 2,001 characters',
    discordSimulator,
    { url: discordAccount.webhookUrl, body: { content: 'x'.repeat(2_001) } },
    400,
    '50035',
  ],
  [
    'Discord: nothing to say',
    discordSimulator,
    { url: discordAccount.webhookUrl, body: { content: '' } },
    400,
    '50006',
  ],
  [
    'Telegram: no text',
    telegramSimulator,
    { url: telegramUrl, body: { chat_id: telegramAccount.chat, text: ' ' } },
    400,
    'empty',
  ],
  [
    'Telegram: 4,097 characters',
    telegramSimulator,
    { url: telegramUrl, body: { chat_id: '1', text: 'x'.repeat(4_097) } },
    400,
    'too long',
  ],
  [
    'Telegram: a token that cannot be',
    telegramSimulator,
    { url: 'https://api.telegram.org/bot1/sendMessage' },
    404,
    'Not Found',
  ],
  [
    'PagerDuty: no severity',
    pagerdutySimulator,
    { url: pagerdutyUrl, body: { ...event, payload: { summary: 'x', source: 'y' } } },
    400,
    'severity',
  ],
  [
    'PagerDuty: a long key',
    pagerdutySimulator,
    { url: pagerdutyUrl, body: { ...event, dedup_key: 'x'.repeat(256) } },
    400,
    'dedup_key',
  ],
  ['PagerDuty: 513 KB', pagerdutySimulator, { url: pagerdutyUrl, body: 'x'.repeat(513 * 1_024) }, 413, ''],
  [
    'Teams: no card',
    teamsSimulator,
    { url: teamsAccount.flowUrl, body: { text: 'x' } },
    400,
    'TriggerInputSchemaMismatch',
  ],
  ['Teams: 29 KB', teamsSimulator, { url: teamsAccount.flowUrl, body: 'x'.repeat(29 * 1_024) }, 413, 'TooLarge'],
  [
    'Pushover: an unknown parameter',
    pushoverSimulator,
    { url: pushoverUrl, headers: form, body: push({ message: 'x', no: '1' }) },
    400,
    'not a parameter',
  ],
  [
    'Pushover: 1,025 characters',
    pushoverSimulator,
    { url: pushoverUrl, headers: form, body: push({ message: 'x'.repeat(1_025) }) },
    400,
    'too long',
  ],
  [
    'Pushover: an emergency without retry',
    pushoverSimulator,
    { url: pushoverUrl, headers: form, body: push({ message: 'x', priority: '2' }) },
    400,
    'retry',
  ],
  [
    'ntfy: a priority in words',
    ntfySimulator,
    { url: ntfyUrl, headers: ntfyHeaders, body: { topic: 'a', priority: 'high' } },
    400,
    '40007',
  ],
  [
    'ntfy: JSON at a topic',
    ntfySimulator,
    { url: `${ntfyUrl}alerts`, headers: ntfyHeaders, body: { message: 'x' } },
    404,
    '40401',
  ],
  [
    'ntfy: 4,097 bytes',
    ntfySimulator,
    { url: ntfyUrl, headers: ntfyHeaders, body: { topic: 'a', message: 'x'.repeat(4_097) } },
    400,
    '40014',
  ],
  ['webhook: no signature', webhookReceiver, { url: webhookAccount.url, body: {} }, 401, 'signature'],
]

/** The same requests without the fault. */
const taken: readonly (readonly [string, () => SimulatedProvider, Sent, number])[] = [
  [
    'Twilio',
    twilioSimulator,
    { url: twilioUrl, headers: twilioHeaders, body: sms({ To: '+14155550100', Body: 'x' }) },
    201,
  ],
  ['SendGrid', sendgridSimulator, { url: sendgridUrl, headers: sendgridHeaders, body: mail }, 202],
  ['Slack', slackSimulator, { url: slackAccount.webhookUrl, body: { text: 'x' } }, 200],
  ['Discord, unheard', discordSimulator, { url: discordAccount.webhookUrl, body: { content: 'x' } }, 204],
  ['Discord', discordSimulator, { url: `${discordAccount.webhookUrl}?wait=true`, body: { content: 'x' } }, 200],
  ['Telegram', telegramSimulator, { url: telegramUrl, body: { chat_id: telegramAccount.chat, text: 'x' } }, 200],
  ['PagerDuty', pagerdutySimulator, { url: pagerdutyUrl, body: event }, 202],
  ['Teams', teamsSimulator, { url: teamsAccount.flowUrl, body: { type: 'message', attachments: [attachment] } }, 202],
  ['Pushover', pushoverSimulator, { url: pushoverUrl, headers: form, body: push({ message: 'x' }) }, 200],
  ['ntfy', ntfySimulator, { url: ntfyUrl, headers: ntfyHeaders, body: { topic: 'a', message: 'x' } }, 200],
]

describe('a simulator', () => {
  it.each(taken)('takes what the provider takes: %s', async (_name, provider, sent, status) => {
    expect(await ask(provider(), sent)).toMatchObject({ status })
  })

  it.each(refused)('refuses what the provider refuses: %s', async (_name, provider, sent, status, piece) => {
    const answer = await ask(provider(), sent)
    expect(answer.status).toBe(status)
    expect(answer.body).toContain(piece)
  })

  it('of Google gives no token for an assertion that somebody else signed', async () => {
    const tokens = googleTokens(makeServiceAccount())
    const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
    const body = new URLSearchParams({ grant_type, assertion: 'e30.e30.e30' })
    const answer = await ask(tokens, { url: 'https://oauth2.googleapis.com/token', headers: form, body })
    expect(answer).toMatchObject({ status: 400, body: expect.stringContaining('invalid_grant') })
    const send = { url: 'https://fcm.googleapis.com/v1/projects/simulated-project/messages:send' }
    expect(await ask(fcmSimulator(tokens), send)).toMatchObject({ status: 401 })
  })

  it('counts requests in windows that begin with the first', () => {
    const window = new RequestWindow(2, 1_000)
    const at = (ms: number) => window.take('key', new Date(ms))
    expect(at(500)).toMatchObject({ allowed: true, remaining: 1, resetAfterMs: 1_000 })
    expect(at(600)).toMatchObject({ allowed: true, remaining: 0 })
    expect(at(1_499)).toMatchObject({ allowed: false, resetAfterMs: 1 })
    expect(at(1_500)).toMatchObject({ allowed: true, remaining: 1 })
    expect(window.take('other', new Date(1_499))).toMatchObject({ allowed: true })
  })
})
