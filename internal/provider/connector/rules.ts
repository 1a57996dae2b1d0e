import { type ConfigField, readField } from './config.ts'
import { isForbiddenHeader, isHeaderName } from './headers.ts'
import { hasTemplate } from './leaf.ts'
import { type Finding, type PathPart, type Report, show } from './problems.ts'
import { checkFixtures } from './rules-fixtures.ts'
import type { ConnectorDocument } from './schema.ts'
import { isRecord } from './values.ts'

/** Rules between the parts of a document, which its schema cannot say. */

type RequestPart = Pick<ConnectorDocument['request'], 'url' | 'headers' | 'encoding' | 'body'> & {
  readonly contentType?: string | undefined
}

/** Everything that is wrong with a document that the schema has let through, templates aside. */
export function checkRules(document: ConnectorDocument): readonly Finding[] {
  const findings: Finding[] = []
  const report: Report = (path, found, expected, didYouMean = null) =>
    void findings.push({ path, found, expected, didYouMean })
  checkFields(document, report)
  checkRates(document, report)
  checkRequest(document.request, ['request'], report)
  if (document.probe !== undefined) checkRequest(document.probe, ['probe'], report)
  checkKeys(document, report)
  checkAnswers(document, report)
  checkFixtures(document, report)
  return findings
}

function checkFields({ config }: ConnectorDocument, report: Report): void {
  for (const [name, field] of Object.entries(config)) {
    const { pattern, example, default: fallback } = field
    const at = ['config', name]
    checkGrace(field, at, config, report)
    if (pattern !== undefined && !isLinear(pattern)) {
      const expected = 'a regular expression without repeated groups, look-around and back-references'
      report([...at, 'pattern'], show(pattern), expected)
      continue
    }
    if (example === undefined && fallback === undefined && (field.required || pattern !== undefined)) {
      report(at, 'no example', 'an example, since fixtures need a value')
    }
    for (const [key, value] of [
      ['example', example],
      ['default', fallback],
    ] as const) {
      const read = value === undefined ? null : readField(field, value)
      if (read !== null && 'expected' in read) report([...at, key], show(value), read.expected)
    }
  }
}

function checkGrace(field: ConfigField, at: readonly string[], config: ConnectorDocument['config'], report: Report) {
  const { graceHours, type, secret } = field
  if (graceHours === undefined) return
  const place = [...at, 'graceHours']
  if (type !== 'strings' || !secret) report(place, `a ${type}`, 'a secret field of the type strings')
  const hours = config[graceHours]
  if (hours?.type !== 'integer' || hours.default === undefined || hours.secret) {
    report(place, show(graceHours), 'the name of an integer field with a default')
  }
}

/** Groups may be optional but not repeated: what is left takes time that grows gently with the text. */
function isLinear(pattern: string): boolean {
  if (/\\[1-9k]|\(\?[=!<]|\)[*+{]/.test(pattern)) return false
  try {
    return new RegExp(pattern, 'u').source !== ''
  } catch {
    return false
  }
}

function checkRates({ rates }: ConnectorDocument, report: Report): void {
  for (const [index, { concurrency, limit, per, ...rest }] of rates.entries()) {
    const others = [limit, per, ...Object.values(rest)].some((word) => word !== undefined)
    if (concurrency !== undefined && others) {
      report(['rates', index], 'concurrency beside other words', 'concurrency alone, or limit and per')
    }
    if (concurrency === undefined && (limit === undefined || per === undefined)) {
      report(['rates', index], 'neither concurrency nor limit with per', 'concurrency alone, or limit and per')
    }
    if (per !== undefined && Number.parseInt(per) === 0) report(['rates', index, 'per'], show(per), 'more than nothing')
  }
}

function checkRequest(
  { url, headers, encoding, body, contentType }: RequestPart,
  at: readonly PathPart[],
  report: Report,
): void {
  if (!hasTemplate(url) && !isWebUrl(url))
    report([...at, 'url'], show(url), 'an http: or https: URL without user name and password')
  if (/\{%/.test(url)) report([...at, 'url'], 'a tag', 'only {{ expressions }} in a URL')
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (name !== '$merge') checkHeaderName(name, [...at, 'headers', name], report)
    if (isRecord(value) || Array.isArray(value)) report([...at, 'headers', name], show(value), 'a text')
  }
  if (encoding === 'none' && body !== undefined) report([...at, 'body'], 'a body', 'no body with the encoding none')
  if (encoding === 'text' && typeof body !== 'string')
    report([...at, 'body'], show(body), 'a text with the encoding text')
  if ((encoding === 'form' || encoding === 'multipart') && !isRecord(body)) {
    report([...at, 'body'], show(body), `a mapping with the encoding ${encoding}`)
  }
  if (contentType !== undefined && encoding !== 'text') {
    report([...at, 'contentType'], show(contentType), 'a content type only with the encoding text')
  }
}

function isWebUrl(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
}

function checkHeaderName(name: string, path: readonly PathPart[], report: Report): void {
  if (!isHeaderName(name)) report(path, show(name), 'the name of a header')
  else if (isForbiddenHeader(name)) report(path, show(name), 'a header that the engine does not set itself')
}

/** Keys that the engine adds to a request must have a place to go to. */
function checkKeys({ auth, idempotency, request }: ConnectorDocument, report: Report): void {
  const takesKeys =
    request.encoding !== 'none' && request.encoding !== 'text' && (isRecord(request.body) || request.body === undefined)
  if (auth.kind === 'api_key') {
    if (auth.in === 'header') checkHeaderName(auth.name, ['auth', 'name'], report)
    if (auth.in === 'body' && !takesKeys) report(['auth', 'in'], 'body', 'a request whose body is a mapping')
  }
  if (typeof idempotency === 'object') {
    if (idempotency.in === 'header') checkHeaderName(idempotency.name, ['idempotency', 'name'], report)
    else if (!takesKeys) report(['idempotency', 'in'], 'body', 'a request whose body is a mapping')
  }
}

type Match = ConnectorDocument['success']

function checkAnswers(document: ConnectorDocument, report: Report): void {
  checkMatch(document.success, ['success'], report)
  if (document.probe !== undefined) checkMatch(document.probe.success, ['probe', 'success'], report)
  const { messageId, describe, throttle } = document
  if (
    messageId !== undefined &&
    (messageId.from === 'body'
      ? messageId.path === undefined || messageId.name !== undefined
      : messageId.name === undefined || messageId.path !== undefined)
  ) {
    report(['messageId'], `from ${messageId.from}`, 'a path with from: body, a name with from: header')
  }
  for (const [word, given] of Object.entries(describe)) {
    const list = given === undefined ? [] : Array.isArray(given) ? given : [given]
    for (const [index, source] of list.entries()) {
      const at = ['describe', word, ...(Array.isArray(given) ? [index] : [])]
      checkOne(source, ['path', 'header', 'text'], at, report)
      if (source.path === undefined && (source.where !== undefined || source.take !== undefined)) {
        report(at, 'where or take without path', 'path beside where and take')
      }
    }
  }
  if (throttle !== undefined && Object.values(throttle).every((word) => word === undefined)) {
    report(['throttle'], 'nothing', 'at least one of remaining, resetAfter, bucket')
  }
  checkErrors(document, report)
}

function checkErrors({ errors }: ConnectorDocument, report: Report): void {
  const names = new Set<string>()
  for (const [index, { name, match, retryAfter }] of errors.entries()) {
    checkMatch(match, ['errors', index, 'match'], report)
    if (name !== undefined && names.has(name))
      report(['errors', index, 'name'], show(name), 'a name that no other rule has')
    if (name !== undefined) names.add(name)
    for (const [at, source] of (retryAfter ?? []).entries()) {
      const path = ['errors', index, 'retryAfter', at]
      checkOne(source, ['header', 'path', 'default'], path, report)
      if (source.default !== undefined && source.unit !== undefined)
        report([...path, 'unit'], show(source.unit), 'no unit beside default')
    }
  }
}

function checkMatch(match: Match, path: readonly PathPart[], report: Report): void {
  const words: readonly (keyof Match)[] = ['status', 'body', 'text', 'headers']
  if (words.every((word) => match[word] === undefined))
    report(path, 'no condition', `at least one of ${words.join(', ')}`)
}

function checkOne(source: object, words: readonly string[], path: readonly PathPart[], report: Report): void {
  const given = words.filter((word) => Object.hasOwn(source, word))
  if (given.length !== 1) report(path, given.join(' and ') || 'none of them', `exactly one of ${words.join(', ')}`)
}
