import type { TryClass } from '../../port/outlet.ts'
import { type Reply, type Stage, waitAskedForMs } from './reply.ts'

export interface Ruling {
  /** Null for what the severity alone decides. */
  readonly rule: string | null
  readonly class: TryClass
  readonly retryAfterMs: number | null
  readonly minDelayMs: number | null
}

interface Rule {
  readonly name: string
  readonly class: TryClass
  readonly when: (reply: Reply, stage: Stage) => boolean
  readonly retryAfterMs?: number
  readonly minDelayMs?: number
}

const minuteMs = 60_000
const hourMs = 3_600_000
/**
 * Usual greylists open after one to five minutes. Back-offs of seconds would use a budget of five up before; at two
 * minutes the fourth try comes after six.
 */
const greylistDelayMs = 2 * minuteMs
const greylist = /\bgr[ae]y-?\s?list/i

/** A mailbox, not the mail: the address does not exist, moved, or was closed. */
const unknownRecipient = ['5.1.0', '5.1.1', '5.1.2', '5.1.3', '5.1.6', '5.1.10', '5.2.1']
const unknownSender = ['5.1.7', '5.1.8', '5.7.57', '5.7.60']
/** Says of a bare code that it is not the mailbox that is meant. */
const policyWords = /\b(?:relay|polic|spam|block|black|denied|authenti|spf|dkim|dmarc|reputation|client host)/i

/** In this order; the first that fits decides. What is `config` holds up the connection until somebody looks at it. */
const rules: readonly Rule[] = [
  // Amazon SES, and Gmail for the second: their own words for a quota of the account.
  {
    name: 'quota-exhausted',
    class: 'quota_exhausted',
    retryAfterMs: hourMs,
    when: ({ code, enhanced, text }) =>
      (code === 454 && /daily message quota/i.test(text)) || (enhanced === '5.4.5' && /\bdaily\b/i.test(text)),
  },
  {
    name: 'throttled',
    class: 'rate_limited',
    when: ({ code, enhanced, text }) => (code === 454 && /throttling failure/i.test(text)) || enhanced === '4.7.28',
  },
  // 432 means that the account needs a new password: it is "for now" only to somebody who sits before it.
  { name: 'credentials', class: 'config', when: ({ code }) => [432, 530, 534, 535, 538].includes(code) },
  { name: 'login-refused', class: 'config', when: ({ severity }, stage) => stage === 'login' && severity === 5 },
  { name: 'no-starttls', class: 'config', when: ({ severity }, stage) => stage === 'encryption' && severity === 5 },
  { name: 'session-refused', class: 'config', when: ({ severity }, stage) => stage === 'session' && severity === 5 },
  {
    name: 'sender-refused',
    class: 'config',
    when: (reply, stage) =>
      unknownSender.includes(reply.enhanced ?? '') ||
      (stage === 'sender' && reply.severity === 5 && !isTooBig(reply) && reply.code !== 503),
  },
  {
    name: 'recipient-invalid',
    class: 'recipient_invalid',
    when: ({ code, enhanced, text }, stage) =>
      enhanced === null || enhanced === '5.0.0'
        ? stage === 'recipient' && [550, 551, 553].includes(code) && !policyWords.test(text)
        : unknownRecipient.includes(enhanced),
  },
  {
    name: 'greylisted',
    class: 'transient',
    minDelayMs: greylistDelayMs,
    when: ({ severity, enhanced, text }, stage) =>
      severity === 4 && isAboutMail(stage) && (greylist.test(text) || enhanced === '4.7.1'),
  },
  // A full disk, a busy mailbox, a name server that is away: nothing that a second changes. 421 is about the connection.
  {
    name: 'deferred',
    class: 'transient',
    minDelayMs: minuteMs,
    when: ({ severity, code }, stage) => severity === 4 && code !== 421 && isAboutMail(stage),
  },
  // The session was out of step, not the message: another one may do.
  { name: 'out-of-step', class: 'transient', when: ({ code, severity }) => code === 503 && severity === 5 },
]

/** What a refusal means. */
export function judgeReply(reply: Reply, stage: Stage): Ruling {
  const rule = rules.find(({ when }) => when(reply, stage))
  const asked = rule?.name === 'greylisted' ? waitAskedForMs(reply.text) : null
  return {
    rule: rule?.name ?? null,
    class: rule?.class ?? (reply.severity === 4 ? 'transient' : 'permanent'),
    retryAfterMs: asked ?? rule?.retryAfterMs ?? null,
    minDelayMs: rule?.minDelayMs ?? null,
  }
}

function isTooBig({ code, enhanced }: Reply): boolean {
  return code === 552 || enhanced === '5.3.4' || enhanced === '5.2.3'
}

function isAboutMail(stage: Stage): boolean {
  return stage === 'sender' || stage === 'recipient' || stage === 'message'
}
