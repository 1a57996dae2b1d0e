import { z } from 'zod'
import { RequestWindow } from './request-window.ts'
import {
  jsonAnswer,
  mediaTypeOf,
  peekJson,
  readJson,
  type SimulatedAnswer,
  type SimulatedProvider,
} from './simulated-http.ts'

export const pagerdutyAccount = { routingKey: 'e93facc04764012d7bfb002500d5d1a6' }

const event = z.strictObject({
  routing_key: z.string().length(32),
  event_action: z.enum(['trigger', 'acknowledge', 'resolve']),
  dedup_key: z.string().min(1).max(255).optional(),
  payload: z
    .strictObject({
      summary: z.string().min(1).max(1_024),
      source: z.string().min(1),
      severity: z.enum(['critical', 'error', 'warning', 'info']),
      timestamp: z.string().optional(),
      component: z.string().optional(),
      group: z.string().optional(),
      class: z.string().optional(),
      custom_details: z.looseObject({}).optional(),
    })
    .optional(),
  client: z.string().optional(),
  client_url: z.string().optional(),
  links: z.array(z.looseObject({ href: z.string() })).optional(),
  images: z.array(z.looseObject({ src: z.string() })).optional(),
})

const payloadBytesMax = 512 * 1_024

export interface PagerDutySimulator extends SimulatedProvider {
  /** The keys of alerts that are open: a repeated trigger adds none. */
  readonly openAlerts: ReadonlySet<string>
}

/** PagerDuty's Events API v2. */
export function pagerdutySimulator(account = pagerdutyAccount, perMinute = 120): PagerDutySimulator {
  const window = new RequestWindow(perMinute, 60_000)
  const openAlerts = new Set<string>()
  return {
    name: 'pagerduty-events-v2',
    hosts: ['events.pagerduty.com', 'events.eu.pagerduty.com'],
    openAlerts,
    recipientOf: (request) => peekJson(request, 'dedup_key'),
    answer(request, now) {
      if (request.path !== '/v2/enqueue') return { status: 404, body: '' }
      if (request.method !== 'POST') return { status: 405, body: '' }
      if (Buffer.byteLength(request.body) > payloadBytesMax) return { status: 413, body: '' }
      if (mediaTypeOf(request) !== 'application/json') return invalid('the content type is not application/json')
      const read = readJson(request, event)
      if ('wrong' in read) return invalid(`${read.at.map(String).join('.')}: ${read.wrong}`)
      const { routing_key, event_action, dedup_key, payload } = read.value
      if (routing_key !== account.routingKey) return invalid('the routing key is not known')
      if (event_action === 'trigger' && payload === undefined) return invalid("'payload' is missing or blank")
      if (event_action !== 'trigger' && dedup_key === undefined) return invalid("'dedup_key' is missing or blank")
      if (!window.take(routing_key, now).allowed) {
        return jsonAnswer(429, {
          status: 'throttle exceeded',
          message: 'Requests for this service are arriving too quickly.',
        })
      }
      const key = dedup_key ?? `generated-${now.getTime()}`
      if (event_action === 'trigger') openAlerts.add(key)
      if (event_action === 'resolve') openAlerts.delete(key)
      return jsonAnswer(202, { status: 'success', message: 'Event processed', dedup_key: key })
    },
  }
}

function invalid(error: string): SimulatedAnswer {
  return jsonAnswer(400, { status: 'invalid event', message: 'Event object is invalid', errors: [error] })
}
