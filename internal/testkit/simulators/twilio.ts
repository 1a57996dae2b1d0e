import {
  basicOf,
  jsonAnswer,
  mediaTypeOf,
  type SimulatedAnswer,
  type SimulatedProvider,
  type SimulatedRequest,
} from './simulated-http.ts'

export const twilioAccount = {
  accountSid: `AC${'0123456789abcdef'.repeat(2)}`,
  authToken: 'twilio-auth-token-5f0c',
  from: '+15005550006',
}

/** The numbers that Twilio itself sets apart for tests, and a few of our own for newer codes. */
const refusals: ReadonlyMap<string, readonly [code: number, message: string]> = new Map([
  ['+15005550001', [21211, "The 'To' number is not a valid phone number."]],
  ['+15005550002', [21612, "Message cannot be sent with the current combination of 'To' and/or 'From' parameters"]],
  [
    '+15005550003',
    [21408, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number"],
  ],
  ['+15005550004', [21610, 'Attempt to send to unsubscribed recipient']],
  ['+15005550009', [21614, "'To' number is not a valid mobile number"]],
  ['+15005550035', [21635, "'To' number cannot be a landline"]],
  ['+15005550065', [21265, "'To' number cannot be a Short Code"]],
  ['+15005550008', [21608, "The 'to' phone number provided is not yet verified for this account."]],
])

const bodyCharsMax = 1_600

/** Twilio's Messages resource, API 2010-04-01. */
export function twilioSimulator(account = twilioAccount): SimulatedProvider {
  const base = `/2010-04-01/Accounts/${account.accountSid}`
  let sent = 0
  return {
    name: 'twilio-sms',
    hosts: ['api.twilio.com'],
    recipientOf: (request) => formOf(request).get('To'),
    answer(request) {
      if (basicOf(request) !== `${account.accountSid}:${account.authToken}`) return failure(401, 20003, 'Authenticate')
      if (request.method === 'GET' && request.path === `${base}.json`) {
        return jsonAnswer(200, { sid: account.accountSid, status: 'active', type: 'Full' })
      }
      if (request.path !== `${base}/Messages.json`) {
        return failure(404, 20404, `The requested resource ${request.path} was not found`)
      }
      if (request.method !== 'POST') return failure(405, 20004, 'Method not allowed')
      if (mediaTypeOf(request) !== 'application/x-www-form-urlencoded')
        return failure(415, 20415, 'Unsupported Media Type')
      sent += 1
      return messageAnswer(formOf(request), account, sent)
    },
  }
}

function formOf(request: SimulatedRequest): URLSearchParams {
  return new URLSearchParams(request.body)
}

function messageAnswer(form: URLSearchParams, account: typeof twilioAccount, count: number): SimulatedAnswer {
  const to = form.get('To') ?? ''
  const body = form.get('Body') ?? ''
  const from = form.get('From')
  const service = form.get('MessagingServiceSid')
  if (to === '') return failure(400, 21604, "A 'To' phone number is required.")
  if (from === null && service === null) return failure(400, 21603, "A 'From' phone number is required.")
  if (body === '') return failure(400, 21602, 'Message body is required.')
  if (body.length > bodyCharsMax) {
    return failure(400, 21617, 'The concatenated message body exceeds the 1600 character limit')
  }
  if (service === null && from !== account.from) {
    return failure(400, 21660, `Mismatch between the 'From' number ${from} and the account ${account.accountSid}`)
  }
  if (service !== null && !/^MG[0-9a-f]{32}$/.test(service))
    return failure(400, 21701, 'The Messaging Service does not exist')
  if (!/^\+[1-9]\d{6,14}$/.test(to)) return failure(400, 21211, `Invalid 'To' Phone Number: ${to}`)
  const refusal = refusals.get(to)
  if (refusal !== undefined) return failure(400, ...refusal)
  return jsonAnswer(201, {
    account_sid: account.accountSid,
    api_version: '2010-04-01',
    body,
    direction: 'outbound-api',
    error_code: null,
    error_message: null,
    from,
    messaging_service_sid: service,
    sid: `SM${count.toString(16).padStart(32, '0')}`,
    status: service === null ? 'queued' : 'accepted',
    to,
  })
}

function failure(status: number, code: number, message: string): SimulatedAnswer {
  return jsonAnswer(status, { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status })
}
