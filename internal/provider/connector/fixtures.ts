import { BlockedAddressError } from '../egress/blocked.ts'
import { type ConnectorResult, classifyAnswer } from './answer.ts'
import type { Connector } from './compile.ts'
import { checkConfig, exampleConfig } from './config.ts'
import { render } from './connection.ts'
import { parsePath, valueAt } from './json-path.ts'
import { checkLimits, type LimitProblem, payloadProblem } from './limits.ts'
import { TemplateError } from './liquid.ts'
import type { ConnectorMessage } from './message.ts'
import { show } from './problems.ts'
import { type ConnectorRequest, RequestError } from './request.ts'
import { resultOfNoAnswer } from './results.ts'
import type { ConnectorDocument } from './schema.ts'
import { isRecord } from './values.ts'

type Fixture = ConnectorDocument['fixtures'][number]
type Expected = Fixture['expect']

/** What one fixture came to; `failures` is empty when all was as expected. */
export interface FixtureReport {
  readonly name: string
  readonly failures: readonly string[]
}

export interface FixturesReport {
  readonly fixtures: readonly FixtureReport[]
  /** What the fixtures leave unproven. */
  readonly warnings: readonly string[]
}

interface Outcome {
  readonly failures: readonly string[]
  readonly ruleIndex: number | null
  readonly accepted: boolean
}

/** Runs every fixture of a connector: renders its request and reads its answer. Nothing is sent. */
export async function runFixtures(connector: Connector): Promise<FixturesReport> {
  const { fixtures, errors } = connector.document
  const reports: FixtureReport[] = []
  const proven = new Set<number>()
  let accepted = false
  for (const fixture of fixtures) {
    const outcome = await runFixture(connector, fixture)
    reports.push({ name: fixture.name, failures: outcome.failures })
    if (outcome.ruleIndex !== null) proven.add(outcome.ruleIndex)
    accepted ||= outcome.accepted
  }
  const warnings = errors
    .map(({ name, class: answerClass }, index) => `error rule ${index} (${name ?? answerClass}) has no fixture`)
    .filter((_, index) => !proven.has(index))
  return { fixtures: reports, warnings: accepted ? warnings : ['no fixture is accepted', ...warnings] }
}

const fixtureTime = '2026-01-01T00:00:00.000Z'

async function runFixture(connector: Connector, fixture: Fixture): Promise<Outcome> {
  const failed = (failures: readonly string[]): Outcome => ({ failures, ruleIndex: null, accepted: false })
  const config = checkConfig(connector, { ...exampleConfig(connector), ...fixture.config })
  if (!config.ok)
    return failed(
      config.problems.map(({ field, found, expected }) => `config.${field}: found ${found}, expected ${expected}`),
    )
  const fitting = checkLimits(connector, exampleMessage(connector, fixture))
  const now = new Date(fixture.now ?? fixtureTime)
  try {
    const request = fitting.ok
      ? await render(connector, config.config, fitting.messages[0], { now, callbackUrl })
      : null
    const limit = fitting.ok ? request && payloadProblem(connector, request) : fitting.problem
    const failures = [
      ...limitFailures(fixture.expect, limit),
      ...(request === null ? [] : requestFailures(fixture.expect.request, request)),
    ]
    if (limit !== null || fixture.response === undefined) return failed(failures)
    const result = resultOf(connector, fixture.response, now)
    return {
      failures: [...failures, ...resultFailures(fixture.expect, result)],
      ruleIndex: result.rule?.index ?? null,
      accepted: result.class === 'accepted',
    }
  } catch (error) {
    if (!(error instanceof RequestError) && !(error instanceof TemplateError)) throw error
    return failed([`request: ${error.message}`])
  }
}

const callbackUrl = 'https://engine.example.com/receipts/example'
const exampleRecipients = {
  e164: '+4915112345678',
  email: 'ada@example.org',
  text: 'example-recipient',
  none: '',
} as const

function exampleMessage({ document }: Connector, { message = {} }: Fixture): ConnectorMessage {
  return {
    id: '01900000-0000-7000-8000-000000000001',
    key: '01900000-0000-7000-8000-000000000001:1',
    to: message.to ?? exampleRecipients[document.recipient.format],
    content: message.content ?? 'Example content',
    title: message.title === undefined ? 'Example title' : message.title,
    html: message.html ?? null,
    data: message.data ?? null,
    tags: message.tags ?? [],
    metadata: message.metadata ?? null,
    priority: message.priority ?? 'NORMAL',
    channel: document.channel,
    correlationId: 'example-correlation',
    attempt: 1,
    createdAt: fixtureTime,
  }
}

const systemCodes = {
  connection_refused: 'ECONNREFUSED',
  dns_failure: 'ENOTFOUND',
  connect_timeout: 'UND_ERR_CONNECT_TIMEOUT',
  tls_failure: 'ERR_TLS_CERT_ALTNAME_INVALID',
  connection_reset: 'ECONNRESET',
  timeout: 'TimeoutError',
  blocked: 'blocked_address',
} as const

function resultOf(connector: Connector, response: NonNullable<Fixture['response']>, now: Date): ConnectorResult {
  const { status, failure, written = false, headers = {}, body, text } = response
  if (failure !== undefined) {
    return resultOfNoAnswer({
      systemCode: systemCodes[failure],
      written,
      error: failure === 'blocked' ? new BlockedAddressError('its address is not public') : null,
    })
  }
  const isJson = body !== undefined
  const bytes = Buffer.from(isJson ? JSON.stringify(body) : (text ?? ''))
  const type = isJson ? { 'content-type': 'application/json' } : {}
  const answer = { statusCode: status ?? 200, headers: { ...type, ...headers }, body: { bytes, complete: true } }
  return classifyAnswer(connector.answers, answer, now, [])
}

function limitFailures({ limit }: Expected, problem: LimitProblem | null): readonly string[] {
  return limit === problem?.field ? [] : [differs('limit', problem?.field ?? null, limit ?? null)]
}

function resultFailures(expected: Expected, result: ConnectorResult): readonly string[] {
  const { rule } = result
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['class', result.class, expected.class],
    ['rule', typeof expected.rule === 'string' ? (rule?.name ?? null) : (rule?.index ?? null), expected.rule],
    ['code', result.code, expected.code],
    ['messageId', result.providerMessageId, expected.messageId],
    ['retryAfterMs', result.retryAfterMs, expected.retryAfterMs],
    ['minDelayMs', result.minDelayMs, expected.minDelayMs],
    ['scope', result.scope, expected.scope],
  ]
  return pairs.flatMap(([what, found, wanted]) =>
    wanted === undefined || found === wanted ? [] : [differs(what, found, wanted)],
  )
}

function requestFailures(expected: Expected['request'], request: ConnectorRequest): readonly string[] {
  if (expected === undefined) return []
  const { absent = [], ...wanted } = expected
  const found = { method: request.method, url: request.url, headers: request.headers, body: request.bodyValue }
  const there = absent.filter((path) => valueAt(request.bodyValue, parsePath(path)) !== undefined)
  return [
    ...differences('request', found, wanted),
    ...there.map((path) => `request.body.${path}: found, expected to be absent`),
  ]
}

/** Where `found` does not hold what is `wanted`: objects may hold more, lists may not. */
function differences(what: string, found: unknown, wanted: unknown): readonly string[] {
  if (wanted === undefined) return []
  if (Array.isArray(wanted)) {
    if (!Array.isArray(found) || found.length !== wanted.length) return [differs(what, found, wanted)]
    return wanted.flatMap((one: unknown, index) => differences(`${what}[${index}]`, found[index], one))
  }
  if (isRecord(wanted)) {
    if (!isRecord(found)) return [differs(what, found, wanted)]
    return Object.entries(wanted).flatMap(([key, one]) => differences(`${what}.${key}`, found[key], one))
  }
  return found === wanted ? [] : [differs(what, found, wanted)]
}

function differs(what: string, found: unknown, wanted: unknown): string {
  return `${what}: found ${show(found)}, expected ${show(wanted)}`
}
