import { z } from 'zod'
import {
  bearerOf,
  jsonAnswer,
  mediaTypeOf,
  peekJson,
  readJson,
  type SimulatedAnswer,
  type SimulatedProvider,
  type SimulatedRequest,
} from './simulated-http.ts'

export const sendgridAccount = {
  /** 69 characters, as SendGrid's keys are. */
  apiKey: `SG.${'a'.repeat(22)}.${'b'.repeat(43)}`,
  verifiedSender: 'alerts@example.com',
}

const address = z.strictObject({ email: z.string().min(1), name: z.string().optional() })
const text = z.string().min(1)
const mail = z.strictObject({
  personalizations: z
    .array(
      z.strictObject({
        to: z.array(address).min(1).max(1_000),
        custom_args: z.record(z.string(), z.string()).optional(),
        headers: z.record(z.string(), z.string()).optional(),
      }),
    )
    .min(1)
    .max(1_000),
  from: address,
  reply_to: address.optional(),
  subject: text,
  content: z.array(z.strictObject({ type: text, value: text })).min(1),
  categories: z.array(z.string().max(255)).max(10).optional(),
  headers: z.record(z.string(), z.string()).optional(),
})
type Mail = z.output<typeof mail>

const customArgsBytesMax = 10_000
const helpUrl = 'http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html'

/** SendGrid's Web API v3: mail/send, and scopes for a test of the key. */
export function sendgridSimulator(account = sendgridAccount): SimulatedProvider {
  let sent = 0
  return {
    name: 'sendgrid',
    hosts: ['api.sendgrid.com', 'api.eu.sendgrid.com'],
    recipientOf: (request) => peekJson(request, 'personalizations', 0, 'to', 0, 'email'),
    answer(request) {
      if (bearerOf(request) !== account.apiKey) {
        return failure(401, 'The provided authorization grant is invalid, expired, or revoked', null)
      }
      if (request.method === 'GET' && request.path === '/v3/scopes') return jsonAnswer(200, { scopes: ['mail.send'] })
      if (request.path !== '/v3/mail/send') return failure(404, 'not found', null)
      if (request.method !== 'POST') return failure(405, 'method not allowed', null)
      if (mediaTypeOf(request) !== 'application/json')
        return failure(415, 'Content-Type should be application/json.', null)
      const wrong = judge(request, account.verifiedSender)
      if (wrong !== null) return wrong
      sent += 1
      // An empty body: the id is in a header only.
      return { status: 202, headers: { 'x-message-id': `sg-${sent.toString().padStart(19, '0')}` }, body: '' }
    },
  }
}

function judge(request: SimulatedRequest, verifiedSender: string): SimulatedAnswer | null {
  const read = readJson(request, mail)
  if ('wrong' in read) {
    const field = read.at.map(String).join('.')
    return failure(400, field === '' ? 'Bad Request' : read.wrong, field === '' ? null : field)
  }
  return judgeMail(read.value, verifiedSender)
}

function judgeMail({ personalizations, from, content }: Mail, verifiedSender: string): SimulatedAnswer | null {
  if (from.email !== verifiedSender) {
    return failure(403, 'The from address does not match a verified Sender Identity.', 'from')
  }
  const types = content.map(({ type }) => type)
  if (types.includes('text/plain') && types[0] !== 'text/plain') {
    return failure(400, 'The text/plain content must come before every other content.', 'content.0.type')
  }
  for (const [index, { to, custom_args }] of personalizations.entries()) {
    const bad = to.findIndex(({ email }) => !/^[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+$/.test(email))
    if (bad >= 0) return failure(400, 'Does not contain a valid address.', `personalizations.${index}.to.${bad}.email`)
    if (Buffer.byteLength(JSON.stringify(custom_args ?? {})) >= customArgsBytesMax) {
      return failure(400, 'The custom_args are too large.', `personalizations.${index}.custom_args`)
    }
  }
  return null
}

function failure(status: number, message: string, field: string | null): SimulatedAnswer {
  return jsonAnswer(status, { errors: [{ message, field, help: field === null ? null : helpUrl }] })
}
