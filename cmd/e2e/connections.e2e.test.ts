import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../internal/testkit/eventually.ts'
import { type Refusal, type ShippedCase, shippedCases } from '../../internal/testkit/simulators/shipped-cases.ts'
import { badGatewayPage } from '../../internal/testkit/simulators/simulated-http.ts'
import { twilioAccount } from '../../internal/testkit/simulators/twilio.ts'
import { type Answer, problemOf } from './harness/client.ts'
import { useConnected } from './harness/connected.ts'
import { type Arrival, Endpoint, freshSecret } from './harness/endpoint.ts'
import type { Profile } from './harness/ground.ts'
import { profiles } from './harness/profiles.ts'
import { forEachOf, plain, untilStatus } from './harness/requests.ts'

const atOnce = 8
const json = { 'content-type': 'application/json' }

describe.concurrent.each(profiles)('connections over the API ($name)', (profile) => {
  // The simulators are told how to answer the next request, so only one test may ask them.
  describe('one by one', { concurrent: false }, () => tests(profile))
})

function tests(profile: Profile): void {
  const connected = useConnected(profile, { providers: () => shippedCases.flatMap(({ providers }) => providers()) })

  /** @returns the id of a new notification. */
  async function sendOver(provider: string, channel: string, recipient: string): Promise<string> {
    return connected.send({ provider, channel, recipient, ...(channel !== 'SMS' && { title: 'Door' }) })
  }

  it('sends over every shipped connector, and says over which connection and what that is made of', async () => {
    await forEachOf(shippedCases, atOnce, async ({ id: connector, config, to, messageId }) => {
      const { id, channel } = await connected.operator.connect(`sends-${connector}`, connector, config)
      const sent = await untilStatus(connected.client, await sendOver(id, channel, to), 'SENT')
      expect(sent.attempts).toMatchObject([{ outcome: 'ok', connection: id, connector: `${connector}@1` }])
      if (messageId === null) expect(sent.providerMessageId).toBeUndefined()
      else expect(sent.providerMessageId).toMatch(messageId)
    })
    expect(connected.internet.simulator.misdirected).toEqual([])
  })

  it('tries again over every shipped connector when its provider is down for a moment', async () => {
    await forEachOf(shippedCases, shippedCases.length, async ({ id: connector, to, providers }) => {
      connected.internet.simulator.next(providers()[0]?.name ?? '', badGatewayPage)
      const { channel } = await connected.operator.connection(`sends-${connector}`)
      const id = await sendOver(`sends-${connector}`, channel, to)
      const first = await connected.firstAttempt(id)
      expect(first, connector).toMatchObject({ outcome: 'transient', statusCode: 502 })
      const waitMs = Date.parse(first.nextRetryAt ?? '') - Date.parse(first.finishedAt)
      if (connector === 'pushover') {
        expect(waitMs).toBeGreaterThanOrEqual(5_000) // by its own rule; too long to wait for here
        return
      }
      expect(await untilStatus(connected.client, id, 'SENT'), connector).toMatchObject({ attemptCount: 2 })
    })
  })

  it('reads what every provider refuses by the rules of its connector', async () => {
    const refusals = shippedCases.flatMap((shipped) => shipped.refusals.map((refusal) => ({ shipped, refusal })))
    expect(refusals.length).toBeGreaterThan(30)
    await forEachOf([...refusals.entries()], atOnce, async ([index, { shipped, refusal }]) => {
      const { channel } = await connected.operator.connect(`refused-${index}`, shipped.id, configOf(shipped, refusal))
      const to = refusal.to ?? shipped.to
      if (to === noAddress) return expectRefusedAtAccept(channel, to)
      const id = await sendOver(`refused-${index}`, channel, to)
      const attempt = await connected.firstAttempt(id)
      const { class: found, rule, code } = refusal.expect
      expect(attempt, `${shipped.id}: ${refusal.name}`).toMatchObject({
        outcome: outcomes.get(found) ?? found,
        ...(rule !== null && { rule }),
        error: { code: outcomes.has(found) ? found : (code ?? expect.any(String)) },
      })
    })
  })

  async function expectRefusedAtAccept(channel: string, recipient: string): Promise<void> {
    const answer = await connected.client.post('/v1/notifications', { channel, recipient, content: 'Hello' })
    expect(answer.status).toBe(400)
    expect(problemOf(answer).errors).toMatchObject([{ path: 'recipient' }])
  }

  it('follows a route, and keeps a connection that a route names', async () => {
    await connected.operator.connect('routed', 'twilio-sms', twilioAccount)
    const { status } = await connected.client.send('PUT', '/v1/routes/SMS', json, routeOver('routed'))
    expect(status).toBe(200)
    const { id } = await connected.client.create(plain())
    expect((await untilStatus(connected.client, id, 'SENT')).attempts).toMatchObject([{ connection: 'routed' }])
    const refused = await connected.client.send('DELETE', '/v1/connections/routed')
    expect(refused.status).toBe(409)
    expect(problemOf(refused).error).toContain('SMS')
    expect((await connected.client.send('DELETE', '/v1/routes/SMS')).status).toBe(200)
    expect((await connected.client.send('DELETE', '/v1/connections/routed')).status).toBe(200)
    const plainly = await connected.client.create(plain())
    await untilStatus(connected.client, plainly.id, 'SENT')
    expect(connected.world.deliveriesOf(plainly.id)).toHaveLength(1) // WEBHOOK_SITE_URL, as if there were no connections
  })

  it('never shows a secret', async () => {
    const secret = 'kept-from-everybody-5d41402abc4b2a76'
    const config = { ...twilioAccount, authToken: secret }
    const answers: Answer[] = [
      await connected.client.post('/v1/connections', { id: 'kept', connector: 'twilio-sms', config }),
    ]
    expect(answers[0]?.json).toMatchObject({ config: { from: twilioAccount.from }, secrets: ['authToken'] })
    // Twilio does not know this token, so the attempt and the pause tell what it said.
    const id = await sendOver('kept', 'SMS', '+14155550100')
    await connected.firstAttempt(id)
    const { authToken: _, ...rest } = twilioAccount
    answers.push(await connected.client.send('PUT', '/v1/connections/kept', json, JSON.stringify({ config: rest })))
    expect(answers[1]?.json).toMatchObject({ secrets: ['authToken'] })
    const looks = [
      'connections',
      'connections/kept',
      'connectors',
      'rate-limits',
      `notifications/${id}?include=attempts`,
    ]
    for (const look of looks) answers.push(await connected.client.send('GET', `/v1/${look}`))
    answers.push(await connected.client.send('POST', '/v1/connections/kept/probe'))
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 200, 200, 200, 200, 200, 200])
    const basic = Buffer.from(`${twilioAccount.accountSid}:${secret}`).toString('base64')
    for (const text of [...answers.map((answer) => answer.text), connected.world.engine.output]) {
      expect(text).not.toContain(secret)
      expect(text).not.toContain(basic)
    }
  })

  it('signs the bytes it sends as Standard Webhooks says, under every secret of a rotation', async () => {
    const [old, fresh] = [freshSecret(), freshSecret()]
    const end = connected.internet.add(new Endpoint('signed'))
    const content = 'Grüße, "Ada" \u{1F44B}\nzweite Zeile'
    await connected.operator.connect('signed', 'webhook@1', { url: end.url, secrets: [old] })
    for (const secrets of [[old], [fresh, old], [fresh]]) {
      // Without the grace time, in which a secret that was left out would go on signing.
      await connected.operator.change('signed', { config: { url: end.url, secrets, secretGraceHours: 0 } })
      const item = { channel: 'WEBHOOK', recipient: 'customer-7', content, provider: 'signed' }
      const { id } = await connected.client.create(item)
      await untilStatus(connected.client, id, 'SENT')
      const arrival = end.arrivals.at(-1)
      for (const secret of secrets) {
        expect(verify(arrival, secret)).toMatchObject({ type: 'notification', data: { id, content } })
        expect(arrival?.request.headers['webhook-id']).toBe(`${id}:0`)
      }
      for (const secret of [old, fresh].filter((one) => !secrets.includes(one))) {
        expect(() => verify(arrival, secret)).toThrow('No matching signature')
      }
    }
  })

  it('shows each bucket, how much of it is in use, and what a provider told of its own limit', async () => {
    const { config, to } = shippedCase('ntfy')
    await connected.operator.connect('counted', 'ntfy', config)
    for (const _ of [1, 2, 3]) await untilStatus(connected.client, await sendOver('counted', 'PUSH', to), 'SENT')
    const [rate] = await connected.operator.rateLimitsOf('counted')
    expect(rate?.bucket).toEqual({
      kind: 'rate',
      scope: 'connection',
      limit: 1,
      perMs: 5_000,
      burst: 60,
      cost: 'message',
    })
    expect(rate?.inUse).toBeGreaterThanOrEqual(1)
    expect(rate?.inUse).toBeLessThanOrEqual(3)

    const answered = Promise.withResolvers<void>()
    const end = connected.internet.add(new Endpoint('held', () => answered.promise.then(() => ({ status: 200 }))))
    await connected.operator.connectTo('held', end)
    const held = await sendOver('held', 'WEBHOOK', 'customer-7')
    await eventually(() => end.arrivals.length === 1)
    expect(await connected.operator.rateLimitsOf('held')).toMatchObject([
      { bucket: { kind: 'concurrency', limit: 50 }, inUse: 1 },
    ])
    answered.resolve()
    await untilStatus(connected.client, held, 'SENT')
    await eventually(async () => expect(await connected.operator.rateLimitsOf('held')).toMatchObject([{ inUse: 0 }]))

    await connected.operator.connect('learnt', 'discord-webhook', shippedCase('discord-webhook').config)
    const told = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset-after': '60.5', 'x-ratelimit-bucket': 'abcd1234' }
    connected.internet.simulator.next('discord-webhook', { status: 429, headers: { ...told, 'retry-after': '60' } })
    expect(await connected.firstAttempt(await sendOver('learnt', 'CHAT', '#alerts'))).toMatchObject({
      outcome: 'rate_limited',
    })
    const [limit] = await connected.operator.rateLimitsOf('learnt')
    expect(limit?.learnt).toMatchObject({ name: 'abcd1234', remaining: 0 })
    for (const ms of [limit?.learnt?.resetAfterMs, limit?.nextInMs]) {
      expect(ms).toBeGreaterThan(30_000)
      expect(ms).toBeLessThanOrEqual(60_500)
    }
  })

  it.each([
    ['a field of a wrong form', 'twilio-sms@1', { ...twilioAccount, accountSid: 'AC1' }, 'config.accountSid'],
    [
      'a field that is missing',
      'twilio-sms@1',
      { accountSid: twilioAccount.accountSid, from: '+15550100' },
      'config.authToken',
    ],
    ['a misspelt field', 'twilio-sms@1', { ...twilioAccount, form: '+15550100' }, 'config.form'],
    ['a connector that is not there', 'twilio-smss@1', twilioAccount, 'connector'],
    ['a private address', 'ntfy@1', { baseUrl: 'https://10.0.0.1' }, 'config.baseUrl'],
    [
      'a secret that cannot sign',
      'webhook@1',
      { url: 'https://x.example.com/', secrets: ['whsec_short'] },
      'config.secrets',
    ],
  ])('refuses %s with 400, and says which field', async (_, connector, config, path) => {
    const answer = await connected.client.post('/v1/connections', { id: 'wrong', connector, config })
    expect(answer.status).toBe(400)
    const { code, errors = [] } = problemOf(answer)
    expect(code).toBe('invalid_request')
    expect(errors.map((error) => error.path)).toEqual([path])
    expect(errors[0]?.message).toMatch(/expected|its host is/)
    expect((await connected.client.send('GET', '/v1/connections/wrong')).status).toBe(404)
  })

  it('refuses a route over a connection that is not there with 400, and says where', async () => {
    const answer = await connected.client.send('PUT', '/v1/routes/CHAT', json, routeOver('nobody'))
    expect(answer.status).toBe(400)
    expect(problemOf(answer).errors).toMatchObject([{ path: 'tiers[0].connections[0].connection' }])
  })
}

/** By the public library of the specification. @throws when it does not verify. */
function verify(arrival: Arrival | undefined, secret: string): unknown {
  const { headers = {}, body = '' } = arrival?.request ?? {}
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const
  return new Webhook(secret).verify(body, Object.fromEntries(names.map((name) => [name, String(headers[name])])))
}

function shippedCase(id: string): ShippedCase {
  const found = shippedCases.find((one) => one.id === id)
  if (found === undefined) throw new Error(`no shipped connector ${id}`)
  return found
}

/** Refused before anything is sent: nobody could send to it. */
const noAddress = 'ada at example.com'

/** What an attempt is called that ended in one of these classes; the others have their own name. */
const outcomes: ReadonlyMap<string, string> = new Map([
  ['recipient_invalid', 'permanent'],
  ['opted_out', 'permanent'],
])

function configOf({ config }: ShippedCase, refusal: Refusal): Readonly<Record<string, unknown>> {
  const filled = Object.entries({ ...config, ...refusal.config })
  return Object.fromEntries(filled.filter(([, value]) => value !== null))
}

function routeOver(connection: string): string {
  return JSON.stringify({ tiers: [{ connections: [{ connection }] }] })
}
