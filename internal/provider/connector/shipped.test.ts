import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../lifecycle/system-clock.ts'
import type { Clock } from '../../port/clock.ts'
import { eventually } from '../../testkit/eventually.ts'
import { ManualClock } from '../../testkit/manual-clock.ts'
import { discordSimulator } from '../../testkit/simulators/discord.ts'
import { fcmSimulator } from '../../testkit/simulators/fcm.ts'
import { googleTokens, makeServiceAccount } from '../../testkit/simulators/google-oauth2.ts'
import { mappedDispatcher } from '../../testkit/simulators/mapped-dispatcher.ts'
import { pagerdutySimulator } from '../../testkit/simulators/pagerduty.ts'
import { pushoverSimulator } from '../../testkit/simulators/pushover.ts'
import { type ShippedCase, shippedCases } from '../../testkit/simulators/shipped-cases.ts'
import {
  badGatewayPage,
  jsonAnswer,
  type SimulatedAnswer,
  type SimulatedProvider,
} from '../../testkit/simulators/simulated-http.ts'
import { SimulatorServer } from '../../testkit/simulators/simulator-server.ts'
import { teamsSimulator } from '../../testkit/simulators/teams.ts'
import { webhookReceiver } from '../../testkit/simulators/webhook-receiver.ts'
import type { Connector } from './compile.ts'
import { checkConfig } from './config.ts'
import { parseConnector } from './document.ts'
import { runFixtures } from './fixtures.ts'
import type { ConnectorMessage } from './message.ts'
import { secretsOf } from './secrets.ts'
import { ConnectorSender } from './sender.ts'

const folder = new URL('../../../connectors/', import.meta.url)
const fileNames = readdirSync(folder).sort()

function shipped(id: string): Connector {
  const parsed = parseConnector(readFileSync(new URL(`${id}.yaml`, folder), 'utf8'), `${id}.yaml`)
  if (!parsed.ok) throw new Error(parsed.problems.map((one) => JSON.stringify(one)).join('\n'))
  return parsed.connector
}

const message: ConnectorMessage = {
  id: '0190a1b2-0000-7000-8000-000000000001',
  key: '0190a1b2-0000-7000-8000-000000000001:1',
  to: '',
  content: 'Your code is 123456 & <secret>',
  title: 'Sign in',
  html: null,
  data: null,
  tags: ['login'],
  metadata: null,
  priority: 'HIGH',
  channel: 'sms',
  correlationId: 'corr-1',
  attempt: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
}

interface World {
  readonly config?: Readonly<Record<string, unknown>>
  readonly providers?: readonly SimulatedProvider[]
  readonly clock?: Clock
}

/** One connection of a shipped connector and its provider, over real HTTP. */
async function connected(
  one: ShippedCase,
  { config = {}, providers = one.providers(), clock = systemClock }: World = {},
) {
  const server = await SimulatorServer.start(providers, () => clock.now())
  const dispatcher = mappedDispatcher(server.origin)
  const connector = shipped(one.id)
  const checked = checkConfig(connector, { ...one.config, ...config })
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  const sender = new ConnectorSender(connector, checked.config, { dispatcher, clock })
  onTestFinished(async () => {
    sender.close()
    await server.stop()
    await dispatcher.destroy()
  })
  const send = (changes: Partial<ConnectorMessage> = {}, signal = AbortSignal.timeout(10_000)) =>
    sender.send({ ...message, to: one.to, channel: connector.document.channel, ...changes }, signal)
  return { connector, config: checked.config, sender, send, server }
}

function caseOf(id: string): ShippedCase {
  const found = shippedCases.find((one) => one.id === id)
  if (found === undefined) throw new Error(`no case for ${id}`)
  return found
}

type Response = NonNullable<Connector['document']['fixtures'][number]['response']>

function answerOf({ status = 200, headers = {}, body, text }: Response): SimulatedAnswer {
  if (body !== undefined) return jsonAnswer(status, body, headers)
  return { status, headers, body: text ?? '' }
}

it('every file in connectors is one of the shipped ones and has a simulator', () => {
  expect(fileNames).toEqual(shippedCases.map(({ id }) => `${id}.yaml`).sort())
})

describe.each(shippedCases)('$id', (one) => {
  it('proves each of its error rules by a fixture, and all fixtures pass', async () => {
    const connector = shipped(one.id)
    const { fixtures, warnings } = await runFixtures(connector)
    expect(fixtures.filter(({ failures }) => failures.length > 0)).toEqual([])
    expect(warnings).toEqual([])
    expect(connector.document.id).toBe(one.id)
    expect(connector.document.display.docs).toMatch(/^https:/)
  })

  it('sends what its provider accepts, and keeps the id of the answer', async () => {
    const { send, server } = await connected(one)
    const result = await send()
    expect(result).toMatchObject({ class: 'accepted', rule: null, code: null })
    if (one.messageId === null) expect(result.providerMessageId).toBeNull()
    else expect(result.providerMessageId).toMatch(one.messageId)
    expect(server.received(one.id)).toHaveLength(1)
    expect(server.misdirected).toEqual([])
  })

  it('passes its own test of the connection without sending a message', async () => {
    const { sender, connector, server } = await connected(one)
    const result = await sender.probe(AbortSignal.timeout(10_000))
    if (connector.probe === null) return expect(result).toBeNull()
    expect(result).toMatchObject({ class: 'accepted' })
    expect(server.received(one.id)).toHaveLength(1)
  })

  it.each(one.refusals)('understands the refusal of $name', async ({ to = one.to, config = {}, expect: wanted }) => {
    const { class: answerClass, rule, code } = wanted
    const result = await (await connected(one, { config })).send({ to })
    expect({ class: result.class, rule: result.rule?.name ?? null }).toEqual({ class: answerClass, rule })
    if (code !== undefined) expect(result.code).toBe(code)
  })

  const answers = shipped(one.id).document.fixtures.filter(({ response }) => response?.status !== undefined)
  it.each(answers)('reads over HTTP as in its fixture: $name', async ({ response = {}, expect: wanted, now }) => {
    const clock = new ManualClock(Date.parse(now ?? '2026-01-01T00:00:00Z'))
    const { send, server } = await connected(one, { clock })
    server.next(one.id, answerOf(response))
    const result = await send()
    const { class: answerClass, rule, request: _, limit: __, ...rest } = wanted
    expect(result.class).toBe(answerClass)
    if (rule !== undefined) expect(result.rule?.name ?? null).toBe(rule)
    const { providerMessageId: messageId, code, retryAfterMs, minDelayMs, scope } = result
    expect({ messageId, code, retryAfterMs, minDelayMs, scope }).toMatchObject(rest)
    expect(server.received(one.id)).toHaveLength(1)
  })

  it('waits as long as a 429 asks for', async () => {
    const { send, server } = await connected(one)
    server.next(one.id, jsonAnswer(429, {}, { 'retry-after': '7' }))
    const result = await send()
    expect(result.class).toBe(one.id === 'pushover' ? 'quota_exhausted' : 'rate_limited')
    expect(result.retryAfterMs).toBeGreaterThanOrEqual(7_000)
  })

  it('takes an HTML page of a load balancer for a passing fault', async () => {
    const { send, server } = await connected(one)
    server.next(one.id, badGatewayPage)
    expect(await send()).toMatchObject({ class: 'transient', statusCode: 502 })
  })

  it('does not know the outcome when no answer comes', async () => {
    const { send, server } = await connected(one)
    server.next(one.id, 'hang')
    const abort = new AbortController()
    const pending = send({}, abort.signal)
    await eventually(() => server.received(one.id).length === 1)
    abort.abort(new DOMException('too slow', 'TimeoutError'))
    expect(await pending).toMatchObject({ class: 'ambiguous', code: 'timeout', statusCode: null })
    expect(server.received(one.id)).toHaveLength(1)
  })

  it('does not know the outcome when the connection breaks after the request', async () => {
    const { send, server } = await connected(one)
    server.next(one.id, 'reset')
    expect(await send()).toMatchObject({ class: 'ambiguous', code: 'connection_reset' })
    expect(server.received(one.id)).toHaveLength(1)
  })

  it('keeps no secret of an answer that repeats them', async () => {
    const { send, server, connector, config } = await connected(one)
    const secrets = [...secretsOf(connector, config), message.content]
    expect(secrets.length).toBeGreaterThan(1)
    await send()
    const { path = '', query, headers = {}, body = '' } = server.received(one.id).at(-1) ?? {}
    const [, credentials = null] = headers.authorization?.split(' ') ?? []
    if (credentials !== null) secrets.push(credentials) // of basic authentication, or a token fetched just now
    const echo = [...secrets, one.to, path, String(query), body].join(' | ')
    for (const status of [400, 403, 429, 500, 401]) {
      const error = { message: echo, code: echo, status: echo, details: [{ '@type': 'FcmError', errorCode: echo }] }
      const answer = { ...error, error, description: echo, errors: [echo, error] }
      server.next(one.id, jsonAnswer(status, answer))
      const result = await send()
      if (result.class === 'accepted') continue // after a 401, with a new token: that id names the project
      const kept = JSON.stringify(result)
      for (const secret of secrets) expect(kept).not.toContain(JSON.stringify(secret).slice(1, -1))
    }
  })
})

describe('the shipped connectors', () => {
  it('Discord tells its own limit with every answer, and the sender reports it', async () => {
    const providers = [discordSimulator({ limit: 2, windowMs: 60_000 })]
    const { send } = await connected(caseOf('discord-webhook'), { providers })
    expect((await send()).throttle).toMatchObject({ remaining: 1, bucket: 'abcd1234' })
    expect((await send()).throttle).toMatchObject({ remaining: 0 })
    const refused = await send()
    expect(refused).toMatchObject({ class: 'rate_limited', rule: { name: 'rate-limited' } })
    expect(refused.retryAfterMs).toBeGreaterThan(0)
  })

  it('Pushover: a month that is used up is a quota until it is over', async () => {
    const clock = new ManualClock(Date.UTC(2026, 0, 31))
    const pushover = pushoverSimulator()
    pushover.remaining = 1
    pushover.resetAt = new Date(Date.UTC(2026, 1, 1))
    const { send } = await connected(caseOf('pushover'), { providers: [pushover], clock })
    expect(await send()).toMatchObject({ class: 'accepted' })
    expect(await send()).toMatchObject({ class: 'quota_exhausted', retryAfterMs: 86_400_000 })
  })

  it('Teams: a flow that is turned off stops the connection', async () => {
    const teams = teamsSimulator()
    const { send } = await connected(caseOf('teams-workflow'), { providers: [teams] })
    expect(await send()).toMatchObject({ class: 'accepted' })
    teams.isOn = false
    expect(await send()).toMatchObject({ class: 'config', rule: { name: 'flow-off' } })
  })

  it('FCM: one token serves many messages, and is fetched anew once it was revoked', async () => {
    const account = makeServiceAccount()
    const tokens = googleTokens(account)
    const { send, server } = await connected(caseOf('fcm-v1'), {
      providers: [fcmSimulator(tokens), tokens],
      config: { serviceAccount: account.file },
    })
    const results = await Promise.all(Array.from({ length: 10 }, () => send()))
    expect(results.map((result) => result.class)).toEqual(results.map(() => 'accepted'))
    expect(tokens.issued).toBe(1)
    tokens.revokeAll()
    expect(await send()).toMatchObject({ class: 'accepted' })
    expect(tokens.issued).toBe(2)
    expect(server.received('fcm-v1')).toHaveLength(12)
  })

  it('PagerDuty and the webhook let a repeat be dropped, the others do not claim it', async () => {
    expect(shippedCases.filter(({ id }) => shipped(id).deduplicates).map(({ id }) => id)).toEqual([
      'pagerduty-events-v2',
      'webhook',
    ])
    const pagerduty = pagerdutySimulator()
    const incident = await connected(caseOf('pagerduty-events-v2'), { providers: [pagerduty] })
    await incident.send()
    await incident.send({ attempt: 2 })
    expect(pagerduty.openAlerts.size).toBe(1)
    const receiver = webhookReceiver()
    const hook = await connected(caseOf('webhook'), { providers: [receiver] })
    await hook.send()
    await hook.send({ attempt: 2 })
    expect([...receiver.taken]).toEqual([message.key])
    expect(receiver.repeats).toBe(1)
  })

  it('Twilio: a text that is too long is refused before it is sent', async () => {
    const { send, server } = await connected(caseOf('twilio-sms'))
    expect(await send({ content: 'x'.repeat(1_601) })).toMatchObject({ class: 'permanent', statusCode: null })
    expect(server.received('twilio-sms')).toEqual([])
  })

  it('Telegram and Discord: long texts go out in parts that the provider takes', async () => {
    for (const id of ['telegram-bot', 'discord-webhook']) {
      const { send, server } = await connected(caseOf(id))
      expect(await send({ content: 'word 😀 '.repeat(800) })).toMatchObject({ class: 'accepted' })
      expect(server.received(id).length).toBeGreaterThan(1)
    }
  })
})
