import { errorMessageMax, responseExcerptMax } from '../../domain/attempt.ts'
import { type TryClass, type TryResult, unansweredTry } from '../../port/outlet.ts'
import { classifyFailure, systemCodeOf } from '../classify.ts'
import { BlockedAddressError } from '../egress/blocked.ts'
import { messageIdMax } from '../response-body.ts'
import { cleanText, redact } from '../text.ts'
import { queueIdOf, type Reply, readReply, type Stage } from './reply.ts'
import { judgeReply } from './rules.ts'

/** A failure without a reply. */
export function failed(tryClass: TryClass, code: string, message: string, rule: string | null = null): TryResult {
  return { ...unansweredTry, class: tryClass, rule, code, message: cleanText(message, errorMessageMax) }
}

/** @param reply the answer to the dot; null for a test of the connection. */
export function accepted(
  reply: string | null,
  providerMessageId: string | null,
  secrets: readonly string[],
): TryResult {
  const code = Number(/^2\d\d/.exec(reply ?? '')?.[0] ?? 0)
  return {
    ...unansweredTry,
    class: 'accepted',
    code: null,
    message: null,
    statusCode: code === 0 ? null : code,
    responseExcerpt: reply === null ? null : excerptOf(reply, secrets),
    providerMessageId,
  }
}

/** @param own stands in when the relay told no id that is known as one. */
export function providerMessageIdOf(reply: string, serverMessageId: string | undefined, own: string): string {
  return cleanText(serverMessageId ?? queueIdOf(reply) ?? own, messageIdMax)
}

export interface FailureFacts {
  /** The dot that ends the message may have been sent. */
  readonly mayBeSent: boolean
  /** Taken out of what the relay wrote. */
  readonly secrets: readonly string[]
}

/** What the error of the SMTP client means. */
export function resultOfError(error: unknown, facts: FailureFacts): TryResult {
  if (error instanceof BlockedAddressError) return failed('permanent', error.code, error.message)
  const { code, command, response, originalCode, timeoutType } = factsOf(error)
  const stage = stageOf(code, command)
  const reply = readReply(response)
  if (reply !== null) return resultOfReply(reply, stage, facts.secrets)
  if (code === 'EAUTH')
    return failed('config', 'login_failed', 'the relay offers no way to log in that is known here', 'login-refused')
  if (command === 'API' && ['EENVELOPE', 'EMESSAGE'].includes(code)) {
    return failed('permanent', 'invalid_message', 'the message could not be written as an email')
  }
  if (response !== '' || code === 'EPROTOCOL') return badResponse(facts)
  return resultOfSystemCode(systemCodeIn({ code, originalCode, timeoutType }, error), facts)
}

/** @param systemCode as the system, TLS or undici have it. */
export function resultOfSystemCode(systemCode: string, { mayBeSent }: Pick<FailureFacts, 'mayBeSent'>): TryResult {
  const result = classifyFailure(systemCode, mayBeSent)
  if (result.kind === 'accepted') return badResponse({ mayBeSent })
  const { kind, code, message } = result
  // A wrong certificate and a port without TLS stay what they are until somebody changes them; all else about TLS may pass.
  if (!mayBeSent && untrusted.test(systemCode))
    return failed('config', code, `${message}: ${systemCode}`, 'certificate')
  if (!mayBeSent && noTls.test(systemCode)) return failed('config', code, `${message}: ${systemCode}`, 'no-tls')
  return failed(kind === 'unknown' ? 'ambiguous' : kind, code, message)
}

const untrusted =
  /^(?:CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA$|INVALID_PURPOSE$|HOSTNAME_MISMATCH$|ERR_TLS_CERT_ALTNAME_INVALID$)/
const noTls =
  /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNSUPPORTED_PROTOCOL|TLSV1_ALERT_PROTOCOL_VERSION)$/

function badResponse({ mayBeSent }: Pick<FailureFacts, 'mayBeSent'>): TryResult {
  return failed(
    mayBeSent ? 'ambiguous' : 'transient',
    'bad_response',
    'the relay answered with something that is not SMTP',
  )
}

const refused = {
  session: 'the relay refused the session',
  encryption: 'the relay refused encryption',
  login: 'the relay refused the user name or the password',
  sender: 'the relay refused the sender',
  recipient: 'the relay refused the recipient',
  message: 'the relay refused the message',
} as const satisfies Record<Stage, string>

function resultOfReply(reply: Reply, stage: Stage, secrets: readonly string[]): TryResult {
  const ruling = judgeReply(reply, stage)
  const { code, enhanced, severity, text } = reply
  const written = enhanced === null ? String(code) : `${code} ${enhanced}`
  const isAboutOne = stage === 'recipient' || stage === 'message'
  return {
    ...failed(ruling.class, `smtp_${code}`, `${refused[stage]}${severity === 4 ? ' for now' : ''} (${written})`),
    ...ruling,
    statusCode: code,
    responseExcerpt: excerptOf(text, secrets),
    scope: isAboutOne && ruling.class === 'transient' ? 'recipient' : 'connection',
  }
}

/** Bytes of a reply that are looked at: more than is kept, so that a secret at the cut is still found whole. */
const replyCharsMax = 8_192

function excerptOf(reply: string, secrets: readonly string[]): string | null {
  const complete = reply.length <= replyCharsMax
  return cleanText(redact(reply.slice(0, replyCharsMax), secrets, complete), responseExcerptMax) || null
}

interface ErrorFacts {
  readonly code: string
  readonly command: string
  readonly response: string
  readonly originalCode: string
  readonly timeoutType: string
}

function factsOf(error: unknown): ErrorFacts {
  const read = (name: string): string => {
    if (!(error instanceof Error)) return ''
    const value: unknown = Reflect.get(error, name)
    return typeof value === 'string' ? value : ''
  }
  return {
    code: read('code'),
    command: read('command'),
    response: read('response'),
    originalCode: read('originalCode'),
    timeoutType: read('timeoutType'),
  }
}

function stageOf(code: string, command: string): Stage {
  if (code === 'EAUTH' || command.startsWith('AUTH')) return 'login'
  if (code === 'ETLS' || command === 'STARTTLS') return 'encryption'
  if (command === 'MAIL FROM') return 'sender'
  if (command === 'RCPT TO') return 'recipient'
  return command === 'DATA' ? 'message' : 'session'
}

/** Into the codes that failures of HTTP have too. */
function systemCodeIn(
  { code, originalCode, timeoutType }: Omit<ErrorFacts, 'command' | 'response'>,
  error: unknown,
): string {
  if (originalCode !== '') return originalCode
  if (code === 'ETIMEDOUT') return timeoutType === 'CONNECT_TIMEOUT' ? code : 'TimeoutError'
  if (code === 'ECONNECTION' || code === 'ESOCKET' || code === 'ETLS') return 'ECONNRESET'
  return systemCodeOf(error)
}
