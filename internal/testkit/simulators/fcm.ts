import { z } from 'zod'
import type { GoogleTokens } from './google-oauth2.ts'
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

/** Registration tokens, each with its own fate. */
export const fcmTokens = {
  registered: 'simulated-device-registered:APA91b-1',
  unregistered: 'simulated-device-unregistered:APA91b-2',
  otherSender: 'simulated-device-of-another-project:APA91b-3',
  withoutApnsKey: 'simulated-ios-device-without-key:APA91b-4',
  overQuota: 'simulated-device-over-quota:APA91b-5',
  malformed: 'not a token',
} as const

const strings = z.record(z.string(), z.string())
const body = z.strictObject({
  validate_only: z.boolean().optional(),
  message: z.strictObject({
    token: z.string().optional(),
    topic: z.string().optional(),
    condition: z.string().optional(),
    notification: z
      .strictObject({ title: z.string().optional(), body: z.string().optional(), image: z.string().optional() })
      .optional(),
    data: strings.optional(),
    android: z.looseObject({}).optional(),
    apns: z.looseObject({}).optional(),
    webpush: z.looseObject({}).optional(),
    fcm_options: z.looseObject({}).optional(),
  }),
})
type Message = z.output<typeof body>['message']

const payloadBytesMax = 4_096

/** Firebase Cloud Messaging, HTTP v1. It lets in whoever has a token of `tokens`. */
export function fcmSimulator(tokens: GoogleTokens, projectId = 'simulated-project'): SimulatedProvider {
  let sent = 0
  return {
    name: 'fcm-v1',
    hosts: ['fcm.googleapis.com'],
    recipientOf: (request) => peekJson(request, 'message', 'token'),
    answer(request, now) {
      if (!tokens.isValid(bearerOf(request) ?? '', now)) return unauthenticated
      const project = /^\/v1\/projects\/([^/]+)\/messages:send$/.exec(request.path)?.[1]
      if (project === undefined || request.method !== 'POST')
        return failure(404, 'NOT_FOUND', 'Requested entity was not found.')
      if (project !== projectId) return permissionDenied
      const read = parse(request)
      if ('status' in read) return read
      const refusal = judge(read)
      if (refusal !== null) return refusal
      sent += 1
      return jsonAnswer(200, {
        name: `projects/${projectId}/messages/0:${now.getTime()}%${sent.toString(16).padStart(16, '0')}`,
      })
    },
  }
}

function parse(request: SimulatedRequest): Message | SimulatedAnswer {
  if (mediaTypeOf(request) !== 'application/json')
    return failure(400, 'INVALID_ARGUMENT', 'Invalid JSON payload received.')
  const read = readJson(request, body)
  if ('value' in read) return read.value.message
  const field = read.at.map(String).join('.')
  return failure(400, 'INVALID_ARGUMENT', `Invalid value at '${field}'`, [badRequest(field, read.wrong)])
}

function judge({ token, topic, condition, data = {} }: Message): SimulatedAnswer | null {
  if (token === undefined && topic === undefined && condition === undefined) {
    const text = 'Recipient of the message is not set.'
    return failure(400, 'INVALID_ARGUMENT', text, [badRequest('message', text), fcmError('INVALID_ARGUMENT')])
  }
  // A payload that is too large is refused without any detail.
  if (Buffer.byteLength(JSON.stringify(data)) > payloadBytesMax) {
    return failure(400, 'INVALID_ARGUMENT', 'Request contains an invalid argument.')
  }
  switch (token) {
    case fcmTokens.unregistered:
      return failure(404, 'NOT_FOUND', 'Requested entity was not found.', [fcmError('UNREGISTERED')])
    case fcmTokens.otherSender:
      return failure(403, 'PERMISSION_DENIED', 'SenderId mismatch', [fcmError('SENDER_ID_MISMATCH')])
    case fcmTokens.withoutApnsKey:
      return failure(401, 'UNAUTHENTICATED', 'Auth error from APNS or Web Push Service', [
        fcmError('THIRD_PARTY_AUTH_ERROR'),
      ])
    case fcmTokens.overQuota:
      return failure(429, 'RESOURCE_EXHAUSTED', 'Message rate exceeded quota.', [fcmError('QUOTA_EXCEEDED')])
    case undefined:
      return null
    default:
      if (/^[\w-]+:[\w-]+$/.test(token)) return null
      return failure(400, 'INVALID_ARGUMENT', 'Request contains an invalid argument.', [
        fcmError('INVALID_ARGUMENT'),
        badRequest('message.token', 'Invalid registration token'),
      ])
  }
}

function fcmError(errorCode: string) {
  return { '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode }
}

function badRequest(field: string, description: string) {
  return { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field, description }] }
}

function failure(code: number, status: string, message: string, details?: readonly object[]): SimulatedAnswer {
  return jsonAnswer(code, { error: { code, message, status, ...(details === undefined ? {} : { details }) } })
}

const unauthenticated = failure(
  401,
  'UNAUTHENTICATED',
  'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
  [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'ACCESS_TOKEN_EXPIRED', domain: 'googleapis.com' }],
)

const permissionDenied = failure(
  403,
  'PERMISSION_DENIED',
  "Permission 'cloudmessaging.messages.create' denied on resource",
  [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'IAM_PERMISSION_DENIED', domain: 'googleapis.com' }],
)
