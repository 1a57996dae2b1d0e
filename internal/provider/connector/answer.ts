import { errorMessageMax } from '../../domain/attempt.ts'
import type { TryClass, TryResult } from '../../port/outlet.ts'
import { statusKind } from '../classify.ts'
import { excerptOf, headerOf, messageIdMax, type ResponseBody, type ResponseHeaders, textOf } from '../response-body.ts'
import { cleanText, redact } from '../text.ts'
import { compileMatch, compileSelector, type Predicate, type Reading } from './predicates.ts'
import type { ConnectorDocument } from './schema.ts'
import { asText, durationMs, isEmpty } from './values.ts'
import { compileThrottle, compileWaits, type ThrottleReader, type WaitReader } from './waits.ts'

/** Longest code that is stored of a provider. */
const codeMax = 64
/** Longest name of a provider's bucket. */
const bucketMax = 128

/** What came back over HTTP. */
export interface ConnectorAnswer {
  readonly statusCode: number
  readonly headers: ResponseHeaders
  readonly body: ResponseBody
}

/** What an attempt came to; waits of up to 31 days are believed. */
export interface ConnectorResult extends Omit<TryResult, 'rule'> {
  /** The error rule that matched, null when none did. */
  readonly rule: { readonly index: number; readonly name: string | null } | null
}

interface ErrorRule {
  readonly rule: { readonly index: number; readonly name: string | null }
  readonly matches: Predicate
  readonly class: TryClass
  readonly wait: WaitReader | null
  readonly minDelayMs: number | null
  readonly scope: 'connection' | 'recipient'
  readonly hint: string | null
}

type TextReader = (answer: Reading) => string | null

/** How a connector reads answers, compiled once. */
export interface AnswerRules {
  readonly succeeds: Predicate
  readonly messageId: TextReader
  readonly errors: readonly ErrorRule[]
  readonly code: TextReader
  readonly message: TextReader
  readonly throttle: ThrottleReader
}

const retryAfterHeader = compileWaits([{ header: 'retry-after' }])
const waitingClasses: ReadonlySet<TryClass> = new Set(['transient', 'rate_limited', 'quota_exhausted'])

type AnswerPart = Pick<ConnectorDocument, 'success' | 'messageId' | 'errors' | 'describe' | 'throttle'>

export function compileAnswerRules({ success, messageId, errors, describe, throttle }: AnswerPart): AnswerRules {
  return {
    succeeds: compileMatch(success),
    messageId:
      messageId === undefined
        ? () => null
        : compileSource(messageId.name === undefined ? { path: messageId.path } : { header: messageId.name }),
    errors: errors.map((rule, index) => ({
      rule: { index, name: rule.name ?? null },
      matches: compileMatch(rule.match),
      class: rule.class,
      wait: rule.retryAfter === undefined ? defaultWait(rule.class) : compileWaits(rule.retryAfter),
      minDelayMs: rule.minDelay === undefined ? null : durationMs(rule.minDelay),
      scope: rule.scope ?? 'connection',
      hint: rule.hint ?? null,
    })),
    code: compileSources(describe.code),
    message: compileSources(describe.message),
    throttle: compileThrottle(throttle),
  }
}

function defaultWait(answerClass: TryClass): WaitReader | null {
  return waitingClasses.has(answerClass) ? retryAfterHeader : null
}

type Sources = ConnectorDocument['describe']['code']
type Source = Exclude<NonNullable<Sources>, readonly unknown[]>

/** The first source that says anything. */
function compileSources(sources: Sources): TextReader {
  if (sources === undefined) return () => null
  const readers = (Array.isArray(sources) ? sources : [sources]).map(compileSource)
  return (answer) => {
    for (const read of readers) {
      const text = read(answer)
      if (text !== null) return text
    }
    return null
  }
}

function compileSource(source: Source): TextReader {
  const { header } = source
  if (header !== undefined) return (answer) => answer.header(header)
  if (source.text === true) return ({ text }) => text || null
  const select = compileSelector(source)
  return ({ json }) => {
    const value = select(json)
    return isEmpty(value) ? null : asText(value)
  }
}

/**
 * What an answer means. Pure; never throws, whatever the bytes are. Success is looked at first, then the error rules in
 * their order, then the status: a 2xx that is neither says nothing certain.
 * @param secrets taken out of every text that is kept.
 */
export function classifyAnswer(
  rules: AnswerRules,
  answer: ConnectorAnswer,
  now: Date,
  secrets: readonly string[],
): ConnectorResult {
  const reading = new AnswerReading(answer)
  const { statusCode } = answer
  const responseExcerpt = excerptOf(answer.headers, answer.body, secrets)
  const throttle = learnt(rules.throttle(answer.headers, now), secrets)
  const matched = rules.succeeds(reading) ? null : rules.errors.find(({ matches }) => matches(reading))
  if (matched === null || matched?.class === 'accepted') {
    return {
      class: 'accepted',
      rule: matched?.rule ?? null,
      code: null,
      message: null,
      statusCode,
      responseExcerpt,
      providerMessageId: idOf(rules, reading),
      retryAfterMs: null,
      minDelayMs: null,
      scope: 'connection',
      throttle,
    }
  }
  const answerClass = matched?.class ?? classOfStatus(statusCode)
  const wait = matched === undefined ? defaultWait(answerClass) : matched.wait
  const said = rules.message(reading) ?? matched?.hint ?? null
  return {
    class: answerClass,
    rule: matched?.rule ?? null,
    code: codeOf(redact(rules.code(reading) ?? '', secrets, answer.body.complete)) ?? `http_${statusCode}`,
    message: cleanText(
      said === null ? messageOfStatus(statusCode) : redact(said, secrets, answer.body.complete),
      errorMessageMax,
    ),
    statusCode,
    responseExcerpt,
    providerMessageId: answerClass === 'ambiguous' ? idOf(rules, reading) : null,
    retryAfterMs: wait?.(reading, now) ?? null,
    minDelayMs: matched?.minDelayMs ?? null,
    scope: matched?.scope ?? 'connection',
    throttle,
  }
}

function classOfStatus(statusCode: number): TryClass {
  const kind = statusKind(statusCode)
  return kind === 'accepted' ? 'ambiguous' : kind
}

function messageOfStatus(statusCode: number): string {
  if (statusCode >= 300 && statusCode <= 399)
    return `the provider answered with status ${statusCode}; redirects are not followed`
  if (statusCode > 299) return `the provider answered with status ${statusCode}`
  return `the provider answered with status ${statusCode}, but not as it does when it accepts a message`
}

function codeOf(text: string): string | null {
  const code = cleanText(text, codeMax).replace(/[^\w.:-]+/g, '_')
  return code === '' ? null : code
}

/** Kept as the provider gave it, since receipts are found by it; it may hold words of the configuration, such as a project's name. */
function idOf(rules: AnswerRules, reading: Reading): string | null {
  return cleanText(rules.messageId(reading) ?? '', messageIdMax) || null
}

function learnt(told: TryResult['throttle'], secrets: readonly string[]): TryResult['throttle'] {
  if (told === null || told.bucket === null) return told
  return { ...told, bucket: cleanText(redact(told.bucket, secrets, true), bucketMax) }
}

/** Decodes and parses only when a rule asks for it: most answers are known by their status. */
class AnswerReading implements Reading {
  readonly statusCode: number
  readonly #answer: ConnectorAnswer
  #text: string | null = null
  #json: { readonly value: unknown } | null = null

  constructor(answer: ConnectorAnswer) {
    this.#answer = answer
    this.statusCode = answer.statusCode
  }

  header(name: string): string | null {
    return headerOf(this.#answer.headers, name)
  }

  get text(): string {
    const packed = headerOf(this.#answer.headers, 'content-encoding') // none was asked for; not unpacked here
    this.#text ??= packed === null || packed === 'identity' ? textOf(this.#answer.body.bytes).trim() : ''
    return this.#text
  }

  get json(): unknown {
    this.#json ??= { value: parseJson(this.text) }
    return this.#json.value
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // an HTML page of a proxy, or a body that was cut off
  }
}
