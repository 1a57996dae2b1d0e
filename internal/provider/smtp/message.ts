import type { SendMailOptions } from 'nodemailer'
import type { Claimed } from '../../port/notification-store.ts'
import { cleanText, isHeaderSafe } from '../text.ts'
import { domainOf, singleAddress } from './address.ts'
import type { SmtpSettings } from './connector.ts'

/** What of a notification becomes an email. */
export type MailSource = Pick<Claimed, 'id' | 'generation' | 'recipient' | 'content' | 'correlationId'> & {
  /** The subject; null or blank: the first line of the content. */
  readonly title?: string | null
  readonly html?: string | null
}

export type MailDraft =
  | { readonly ok: true; readonly data: SendMailOptions; readonly recipient: string; readonly messageId: string }
  | { readonly ok: false; readonly code: 'invalid_recipient' | 'invalid_subject'; readonly message: string }

/** Longest subject that is taken from the content: what a line of a message should have at most (RFC 5322, 2.1.1). */
const derivedSubjectMax = 78
/** A folded header still must be one that every relay takes. */
const subjectMax = 998

/** Every attempt under one key gives the same email but for its date. Only texts get in: no attachment, no raw text. */
export function draftMail(
  source: MailSource,
  settings: Pick<SmtpSettings, 'from' | 'fromName' | 'replyTo'>,
  now: Date,
): MailDraft {
  const recipient = singleAddress(source.recipient)
  if (recipient === null) {
    return {
      ok: false,
      code: 'invalid_recipient',
      message: `recipient: found ${source.recipient.length} characters that are not one email address, expected one such as name@example.com`,
    }
  }
  const subject = subjectOf(source)
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(subject) || subject.length > subjectMax) {
    return {
      ok: false,
      code: 'invalid_subject',
      message: `title: found ${subject.length} characters, or a control character or line break, expected one line of at most ${subjectMax}`,
    }
  }
  const { from, fromName, replyTo } = settings
  const messageId = messageIdOf(source, from)
  const html = source.html ?? ''
  return {
    ok: true,
    recipient,
    messageId,
    data: {
      from: { name: fromName ?? '', address: from },
      to: { name: '', address: recipient },
      ...(replyTo === null ? {} : { replyTo: { name: '', address: replyTo } }),
      subject,
      text: source.content,
      ...(html === '' ? {} : { html }),
      messageId,
      date: now,
      headers: isHeaderSafe(source.correlationId) ? { 'X-Correlation-ID': source.correlationId } : {},
      disableFileAccess: true,
      disableUrlAccess: true,
    },
  }
}

/** The provider's key in the letters that an id may have: a colon is none of them. */
function messageIdOf({ id, generation }: MailSource, from: string): string {
  return `<${id}.${generation}@${domainOf(from)}>`
}

function subjectOf({ title, content }: MailSource): string {
  if (title !== undefined && title !== null && title.trim() !== '') return title.trim()
  const line = cleanText(content.split(/[\r\n\p{Zl}\p{Zp}]+/u).find((one) => one.trim() !== '') ?? '', subjectMax)
  if (line === '') return 'Notification'
  return line.length <= derivedSubjectMax ? line : `${cleanText(line, derivedSubjectMax - 1)}…`
}
