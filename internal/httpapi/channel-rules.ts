import { type Channel, contentMax, dataBytesMax, type JsonObject, recipientBytesMax } from '../domain/notification.ts'
import { countCharacters, describe, fitsCharacters } from './describe.ts'
import { toEmailAddress } from './email-address.ts'
import type { Findings } from './findings.ts'
import { toE164 } from './phone-number.ts'

/** Fields that were found right by themselves. */
interface Fields {
  readonly channel?: Channel | undefined
  readonly recipient?: string | undefined
  readonly content?: string | undefined
  readonly title?: string | undefined
  readonly html?: string | undefined
  readonly data?: JsonObject | undefined
}

/** Asked only when something is wrong: most items of most batches are right. */
export type PathOf = (name: string) => string

/** What the channel says of the other fields. Returns the recipient as it is stored; null when it is none of its kind. */
export function checkForChannel(fields: Fields, path: PathOf, findings: Findings): string | null {
  const { channel, recipient, content, html } = fields
  if (channel === undefined) return null
  if (content !== undefined && !fitsCharacters(content, contentMax[channel])) {
    const most = `expected at most ${contentMax[channel]} characters for ${channel}`
    findings.error(path('content'), 'too_long', `${most}, found ${countCharacters(content)}`)
  }
  if (html !== undefined && channel !== 'EMAIL') {
    findings.error(path('html'), 'not_allowed', `expected none for ${channel}, since only EMAIL has it, found one`)
  }
  checkData(channel, fields, path, findings)
  return recipient === undefined ? null : readRecipient(channel, recipient, path, findings)
}

function checkData(channel: Channel, { title, content, data }: Fields, path: PathOf, findings: Findings): void {
  if (data === undefined) return
  const max = dataBytesMax[channel]
  if (max === null) {
    findings.error(path('data'), 'not_allowed', `expected none for ${channel}, found an object`)
    return
  }
  const isPush = channel === 'PUSH'
  const texts = isPush ? Buffer.byteLength(title ?? '') + Buffer.byteLength(content ?? '') : 0
  const bytes = texts + Buffer.byteLength(JSON.stringify(data))
  if (bytes <= max) return
  const what = isPush ? 'of title, content and data together' : 'of JSON'
  findings.error(path('data'), 'too_long', `expected at most ${max} bytes ${what} for ${channel}, found ${bytes}`)
}

interface RecipientKind {
  readonly read: (text: string) => string | null
  readonly code: string
  readonly expected: string
}

/** Channels without one take any text. */
const recipientKinds: Readonly<Partial<Record<Channel, RecipientKind>>> = {
  SMS: {
    read: toE164,
    code: 'invalid_number',
    expected: 'a phone number with country code, such as +905551234567',
  },
  EMAIL: {
    read: toEmailAddress,
    code: 'invalid_address',
    expected: 'one email address without a name, such as ada@example.com',
  },
}

/** The message says how long it is, never what it is. */
function readRecipient(channel: Channel, given: string, path: PathOf, findings: Findings): string | null {
  const max = recipientBytesMax[channel]
  const tooLong = (text: string) => {
    const bytes = Buffer.byteLength(text)
    if (bytes > max)
      findings.error(path('recipient'), 'too_long', `expected at most ${max} bytes for ${channel}, found ${bytes}`)
    return bytes > max
  }
  if (tooLong(given)) return null
  const kind = recipientKinds[channel]
  if (kind === undefined) return given
  const recipient = kind.read(given)
  if (recipient === null)
    findings.error(path('recipient'), kind.code, `expected ${kind.expected}, found ${describe(given)}`)
  return recipient === null || tooLong(recipient) ? null : recipient
}
