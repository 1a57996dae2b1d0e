import { jsonAnswer, mediaTypeOf, type SimulatedAnswer, type SimulatedProvider } from './simulated-http.ts'

export const pushoverAccount = { token: 'azGDORePK8gMaC0QOYAMyEEuzJnyUi', user: 'uQiRzpo4DXghDmr9QzzfQu27cmVRsG' }

export interface PushoverSimulator extends SimulatedProvider {
  /** Messages left of this month. */
  remaining: number
  /** When the month is over. */
  resetAt: Date
}

const known = new Set([
  'token',
  'user',
  'message',
  'title',
  'device',
  'html',
  'monospace',
  'priority',
  'sound',
  'timestamp',
  'ttl',
  'url',
  'url_title',
  'retry',
  'expire',
  'callback',
  'tags',
])

/** Pushover's Message API. */
export function pushoverSimulator(account = pushoverAccount): PushoverSimulator {
  let count = 0
  return {
    name: 'pushover',
    hosts: ['api.pushover.net'],
    remaining: 10_000,
    resetAt: new Date(Date.UTC(2030, 0, 1)),
    recipientOf: (request) => new URLSearchParams(request.body).get('user'),
    answer(request) {
      count += 1
      const id = `647d2300-702c-4b38-8b2f-${count.toString(16).padStart(12, '0')}`
      const isLimits = request.method === 'GET' && request.path === '/1/apps/limits.json'
      const form = isLimits ? request.query : new URLSearchParams(request.body)
      if (form.get('token') !== account.token) {
        return failure(400, id, { token: 'invalid' }, 'application token is invalid, see https://pushover.net/api')
      }
      const limits = {
        'x-limit-app-limit': '10000',
        'x-limit-app-remaining': String(this.remaining),
        'x-limit-app-reset': String(Math.floor(this.resetAt.getTime() / 1_000)),
      }
      if (isLimits) return jsonAnswer(200, { limit: 10_000, remaining: this.remaining, status: 1, request: id }, limits)
      if (request.path !== '/1/messages.json' || request.method !== 'POST') return failure(404, id, {}, 'not found')
      if (mediaTypeOf(request) !== 'application/x-www-form-urlencoded') return failure(400, id, {}, 'not a form')
      if (this.remaining <= 0)
        return { ...failure(429, id, {}, 'application is over its monthly quota'), headers: limits }
      const wrong = judge(form, account.user)
      if (wrong !== null) return failure(400, id, { [wrong[0]]: 'invalid' }, wrong[1])
      this.remaining -= 1
      const receipt = form.get('priority') === '2' ? { receipt: 'rLqVuqTRh62UzxtmqiaLzQmVcPgiCy' } : {}
      return jsonAnswer(
        200,
        { status: 1, request: id, ...receipt },
        { ...limits, 'x-limit-app-remaining': String(this.remaining) },
      )
    },
  }
}

/** The field that is wrong and what is wrong with it. */
function judge(form: URLSearchParams, user: string): readonly [field: string, error: string] | null {
  const length = (field: string) => Array.from(form.get(field) ?? '').length
  for (const field of form.keys()) if (!known.has(field)) return [field, `${field} is not a parameter`]
  if (form.get('user') !== user) return ['user', 'user identifier is not a valid user, group, or subscribed user key']
  if (length('message') === 0) return ['message', 'message cannot be blank']
  if (length('message') > 1_024) return ['message', 'message is too long']
  if (length('title') > 250) return ['title', 'title is too long']
  if (length('url') > 512) return ['url', 'url is too long']
  if (length('url_title') > 100) return ['url_title', 'url_title is too long']
  if (!/^(?:-2|-1|0|1|2)$/.test(form.get('priority') ?? '0')) return ['priority', 'priority is invalid']
  if (form.get('priority') === '2') {
    if (!(Number(form.get('retry')) >= 30)) return ['retry', 'retry must be at least 30 seconds']
    if (!(Number(form.get('expire')) <= 10_800) || form.get('expire') === null) return ['expire', 'expire is invalid']
  }
  return null
}

function failure(status: number, id: string, fields: Readonly<Record<string, string>>, error: string): SimulatedAnswer {
  return jsonAnswer(status, { ...fields, errors: [error], status: 0, request: id })
}
