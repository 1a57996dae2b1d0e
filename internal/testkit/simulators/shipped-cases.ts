import { discordAccount, discordSimulator } from './discord.ts'
import { fcmSimulator, fcmTokens } from './fcm.ts'
import { googleTokens, makeServiceAccount } from './google-oauth2.ts'
import { ntfyAccount, ntfySimulator } from './ntfy.ts'
import { pagerdutyAccount, pagerdutySimulator } from './pagerduty.ts'
import { pushoverAccount, pushoverSimulator } from './pushover.ts'
import { sendgridAccount, sendgridSimulator } from './sendgrid.ts'
import type { SimulatedProvider } from './simulated-http.ts'
import { slackAccount, slackSimulator } from './slack.ts'
import { teamsAccount, teamsSimulator } from './teams.ts'
import { telegramAccount, telegramChats, telegramSimulator } from './telegram.ts'
import { twilioAccount, twilioSimulator } from './twilio.ts'
import { webhookAccount, webhookReceiver } from './webhook-receiver.ts'

/** What a simulator refuses by itself, without a script. */
export interface Refusal {
  readonly name: string
  readonly to?: string
  readonly config?: Readonly<Record<string, unknown>>
  readonly expect: { readonly class: string; readonly rule: string | null; readonly code?: string }
}

/** A shipped connector, a connection of it, and the provider it talks to. */
export interface ShippedCase {
  readonly id: string
  /** The first is the provider itself, others are what it needs. */
  readonly providers: () => readonly SimulatedProvider[]
  readonly config: Readonly<Record<string, unknown>>
  readonly to: string
  /** Of an accepted message; null where the provider gives none. */
  readonly messageId: RegExp | null
  readonly refusals: readonly Refusal[]
}

const account = makeServiceAccount()

const twilio: ShippedCase = {
  id: 'twilio-sms',
  providers: () => [twilioSimulator()],
  config: { ...twilioAccount },
  to: '+14155550100',
  messageId: /^SM[0-9a-f]{32}$/,
  refusals: [
    refusal('a number that is none', { to: '+15005550001' }, 'recipient_invalid', 'recipient-invalid', '21211'),
    refusal('a landline', { to: '+15005550035' }, 'recipient_invalid', 'recipient-invalid', '21635'),
    refusal('a short code', { to: '+15005550065' }, 'recipient_invalid', 'recipient-invalid', '21265'),
    refusal('no mobile number', { to: '+15005550009' }, 'recipient_invalid', 'recipient-invalid', '21614'),
    refusal('somebody who opted out', { to: '+15005550004' }, 'opted_out', 'opted-out', '21610'),
    refusal('a country that is not enabled', { to: '+15005550003' }, 'permanent', 'region-not-enabled', '21408'),
    refusal('a trial account', { to: '+15005550008' }, 'permanent', 'trial-account', '21608'),
    refusal('an unreachable destination', { to: '+15005550002' }, 'permanent', null, '21612'),
    refusal('a wrong token', { config: { authToken: 'wrong-token' } }, 'config', 'credentials', '20003'),
    refusal('a foreign sender', { config: { from: '+15005550099' } }, 'config', 'sender-invalid', '21660'),
    refusal('no sender at all', { config: { from: null } }, 'config', 'sender-invalid', '21603'),
  ],
}

const sendgrid: ShippedCase = {
  id: 'sendgrid',
  providers: () => [sendgridSimulator()],
  config: { apiKey: sendgridAccount.apiKey, from: sendgridAccount.verifiedSender, fromName: 'Alerts' },
  to: 'ada@example.com',
  messageId: /^sg-\d+$/,
  refusals: [
    refusal('an address that is none', { to: 'ada at example.com' }, 'recipient_invalid', 'recipient-invalid'),
    refusal('a wrong key', { config: { apiKey: 'SG.wrong.wrong' } }, 'config', 'credentials'),
    refusal('a sender nobody verified', { config: { from: 'other@example.com' } }, 'config', 'credentials', 'from'),
  ],
}

const fcm: ShippedCase = {
  id: 'fcm-v1',
  providers: () => {
    const tokens = googleTokens(account)
    return [fcmSimulator(tokens), tokens]
  },
  config: { serviceAccount: account.file },
  to: fcmTokens.registered,
  messageId: /^projects\/simulated-project\/messages\//,
  refusals: [
    refusal('a removed app', { to: fcmTokens.unregistered }, 'recipient_invalid', 'unregistered', 'UNREGISTERED'),
    refusal('a token that is none', { to: fcmTokens.malformed }, 'recipient_invalid', 'token-invalid'),
    refusal('a token of another project', { to: fcmTokens.otherSender }, 'permanent', 'sender-mismatch'),
    refusal('no key for Apple devices', { to: fcmTokens.withoutApnsKey }, 'config', 'third-party-auth'),
    refusal('a device over its quota', { to: fcmTokens.overQuota }, 'rate_limited', 'rate-limited', 'QUOTA_EXCEEDED'),
    refusal('a foreign project', { config: { projectId: 'other-project' } }, 'config', 'credentials'),
  ],
}

const slack: ShippedCase = {
  id: 'slack-webhook',
  providers: () => [slackSimulator()],
  config: { ...slackAccount },
  to: '#alerts',
  messageId: null,
  refusals: [
    refusal('a wrong secret', { config: { webhookUrl: `${slackAccount.webhookUrl}X` } }, 'config', 'webhook-gone'),
    refusal(
      'a webhook that is gone',
      { config: { webhookUrl: slackAccount.webhookUrl.replace('B0', 'B9') } },
      'config',
      'webhook-gone',
    ),
  ],
}

const discord: ShippedCase = {
  id: 'discord-webhook',
  providers: () => [discordSimulator()],
  config: { ...discordAccount, username: 'Alerts' },
  to: '#alerts',
  messageId: /^\d{19}$/,
  refusals: [
    refusal(
      'a wrong token',
      { config: { webhookUrl: `${discordAccount.webhookUrl}x` } },
      'config',
      'webhook-gone',
      '50027',
    ),
    refusal(
      'a webhook that is gone',
      { config: { webhookUrl: discordAccount.webhookUrl.replace('/22', '/33') } },
      'config',
      'webhook-gone',
      '10015',
    ),
  ],
}

const telegram: ShippedCase = {
  id: 'telegram-bot',
  providers: () => [telegramSimulator()],
  config: { token: telegramAccount.token },
  to: telegramAccount.chat,
  messageId: /^\d+$/,
  refusals: [
    refusal('who blocked the bot', { to: telegramChats.blocked }, 'opted_out', 'not-wanted', '403'),
    refusal('a group that removed it', { to: telegramChats.kicked }, 'opted_out', 'not-wanted', '403'),
    refusal('who left Telegram', { to: telegramChats.deactivated }, 'opted_out', 'not-wanted', '403'),
    refusal('a group that became a supergroup', { to: telegramChats.migrated }, 'recipient_invalid', 'chat-migrated'),
    refusal('a chat nobody knows', { to: '404' }, 'recipient_invalid', 'chat-unknown'),
    refusal('a revoked token', { config: { token: `${telegramAccount.token}X` } }, 'config', 'credentials', '401'),
  ],
}

const pagerduty: ShippedCase = {
  id: 'pagerduty-events-v2',
  providers: () => [pagerdutySimulator()],
  config: { ...pagerdutyAccount },
  to: 'on-call',
  messageId: /^[0-9a-f-]{36}$/,
  refusals: [
    refusal('an unknown key', { config: { routingKey: '0'.repeat(32) } }, 'permanent', 'refused', 'invalid_event'),
  ],
}

const teams: ShippedCase = {
  id: 'teams-workflow',
  providers: () => [teamsSimulator()],
  config: { flowUrl: teamsAccount.flowUrl },
  to: 'alerts',
  messageId: null,
  refusals: [
    refusal(
      'a deleted flow',
      { config: { flowUrl: teamsAccount.deletedFlowUrl } },
      'config',
      'flow-off',
      'WorkflowTriggerIsNotEnabled',
    ),
    refusal('a wrong signature', { config: { flowUrl: `${teamsAccount.flowUrl}x` } }, 'config', 'credentials'),
  ],
}

const pushover: ShippedCase = {
  id: 'pushover',
  providers: () => [pushoverSimulator()],
  config: { token: pushoverAccount.token },
  to: pushoverAccount.user,
  messageId: /^[0-9a-f-]{36}$/,
  refusals: [
    refusal('a wrong token', { config: { token: 'b'.repeat(30) } }, 'config', 'credentials'),
    refusal('an unknown user', { to: 'uNobody' }, 'recipient_invalid', 'recipient-invalid'),
  ],
}

const ntfy: ShippedCase = {
  id: 'ntfy',
  providers: () => [ntfySimulator()],
  config: { baseUrl: ntfyAccount.baseUrl, token: ntfyAccount.token },
  to: ntfyAccount.topic,
  messageId: /^sim\d{9}$/,
  refusals: [
    refusal('a wrong token', { config: { token: 'tk_wrong' } }, 'config', 'credentials', '40101'),
    refusal('a topic of somebody else', { to: ntfyAccount.foreignTopic }, 'config', 'credentials', '40301'),
    refusal('nobody who listens', { to: ntfyAccount.idleTopic }, 'transient', null, '50701'),
    refusal('a topic that cannot be', { to: 'no topic' }, 'permanent', null, '40009'),
  ],
}

const webhook: ShippedCase = {
  id: 'webhook',
  providers: () => [webhookReceiver()],
  config: { url: webhookAccount.url, secrets: [webhookAccount.secret] },
  to: 'customer-7',
  messageId: /^event-\d+$/,
  refusals: [
    refusal(
      'a wrong secret',
      { config: { secrets: [`whsec_${Buffer.from('another-secret-of-32-bytes-length').toString('base64')}`] } },
      'permanent',
      null,
    ),
  ],
}

export const shippedCases = [
  twilio,
  sendgrid,
  fcm,
  slack,
  discord,
  telegram,
  pagerduty,
  teams,
  pushover,
  ntfy,
  webhook,
] as const

function refusal(
  name: string,
  change: Pick<Refusal, 'to' | 'config'>,
  answerClass: string,
  rule: string | null,
  code?: string,
): Refusal {
  return { name, ...change, expect: { class: answerClass, rule, ...(code === undefined ? {} : { code }) } }
}
