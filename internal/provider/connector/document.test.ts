import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseConnector } from './document.ts'
import { documentOf, problemsOf } from './example.suite.ts'
import { formatProblem } from './problems.ts'

function linesOf(text: string): readonly string[] {
  const parsed = parseConnector(text, 'c.yaml')
  return parsed.ok ? [] : parsed.problems.map(formatProblem)
}

describe('a connector document', () => {
  it('is read from YAML and from JSON alike', () => {
    const text = JSON.stringify(documentOf(), null, '\t')
    const parsed = parseConnector(text, 'c.json')
    expect(parsed).toMatchObject({ ok: true, connector: { name: 'example@1', deduplicates: false } })
    expect(
      linesOf(`schema: connector/v1
id: small
version: 2
channel: chat
display: {name: Small}
request: {url: https://example.com/x, body: {text: '{{ message.content }}'}}
success: {status: [2xx]}
`),
    ).toEqual([])
  })

  it('tells all problems at once, each with its place, what was found and what is meant', () => {
    const lines = linesOf(`schema: connector/v1
id: Bad_Id
version: 1.5
channel: smss
display: {nam: x}
config:
  apiKey: {type: strng, requird: true}
auth: {kind: bearr, token: x}
request: {url: x, headrs: {a: b}, timeoutMs: 5}
idempotency: {in: heder, name: x}
success: {status: [200, 6xx]}
errors:
  - {match: {body: [{path: code, inn: [1]}]}, class: transitory}
receipts:
  verify: {kind: hmac_sha256, header: x, secret: s, encodng: hex}
  id: {path: 'a b'}
  status: {path: a, map: {x: nope}}
`)
    const expected = [
      'c.yaml:2:1 id: found "Bad_Id", expected a name of lower case letters, digits and single dashes',
      'c.yaml:3:1 version: found 1.5, expected a whole number',
      'c.yaml:4:1 channel: found "smss", expected one of sms, email, push, chat, webhook, incident; did you mean "sms"?',
      'c.yaml:5:11 display.nam: found the unknown key "nam", expected one of name, docs, description; did you mean "name"?',
      'c.yaml:8:8 auth.kind: found "bearr", expected one of none, basic, bearer',
      'c.yaml:9:35 request.timeoutMs: found 5, expected at least 100',
      'c.yaml:9:19 request.headrs: found the unknown key "headrs"',
      'c.yaml:10:15 idempotency.in: found "heder", expected header or body; did you mean "header"?',
      'c.yaml:11:25 success.status[1]: found "6xx", expected',
      'c.yaml:13:34 errors[0].match.body[0].inn: found the unknown key "inn"',
      'c.yaml:13:47 errors[0].class: found "transitory", expected one of accepted, transient',
      'c.yaml:15:53 receipts.verify.encodng: found the unknown key "encodng", expected one of kind, header, secret, encoding, prefix; did you mean "encoding"?',
      'c.yaml:16:8 receipts.id.path: found "a b", expected a path such as',
      'c.yaml:17:27 receipts.status.map.x: found "nope"',
    ]
    for (const start of expected) expect(lines).toContainEqual(expect.stringContaining(start))
  })

  it.each([
    ['two of one key', 'a: 1\na: 2', 'c.yaml:2:1 document: found Map keys must be unique'],
    ['a key that no object may have', '{"__proto__": {"x": 1}}', 'found the key "__proto__", expected another name'],
    ['a key that is no text', '? {x: 1}\n: 2', 'found a key that is not a text'],
    ['a tag of a language', 'a: !!js/function x', 'Unresolved tag'],
    ['something that is no YAML', 'a: [1', 'c.yaml:1:'],
    ['two documents', 'a: 1\n---\nb: 2', 'multiple documents'],
    ['too many levels', `${'['.repeat(60)}${']'.repeat(60)}`, 'at most 40 levels'],
    ['levels without end', '['.repeat(100_000), 'c.yaml:1:'],
    ['a number without end', 'a: .inf', 'expected a finite number'],
    ['too many bytes', `a: ${'x'.repeat(300_000)}`, 'found 300003 bytes, expected at most 262144 bytes'],
    ['nothing', '', 'found null, expected a mapping'],
  ])('is refused with %s', (_, text, line) => {
    expect(linesOf(text).join('\n')).toContain(line)
  })

  it('is refused when aliases multiply', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x,x]',
      ...['b', 'c', 'd', 'e'].map(
        (name, at) => `${name}: &${name} [${Array.from({ length: 10 }, () => `*${'abcd'[at]}`).join(',')}]`,
      ),
    ]
    expect(linesOf(bomb.join('\n'))).toEqual([expect.stringContaining('expected aliases for at most')])
  })

  it('may name only what there is in its templates', () => {
    expect(
      problemsOf({
        request: {
          url: 'https://x.y',
          body: { a: '{{ message.contnt }}', b: '{{ config.apikey }}', c: '{{ mesage.to }}' },
        },
      }),
    ).toEqual([
      expect.stringMatching(
        /^request\.body\.a: found message\.contnt in a template, .*did you mean "message\.content"\?$/,
      ),
      expect.stringMatching(/^request\.body\.b: .*did you mean "config\.apiKey"\?$/),
      expect.stringMatching(/^request\.body\.c: found the name "mesage" in a template, .*did you mean "message"\?$/),
    ])
    expect(problemsOf({ auth: { kind: 'bearer', token: '{{ message.to }}' } })).toEqual([
      'auth.token: found the name "message" in a template, expected config or maps',
    ])
    expect(problemsOf({ request: { url: 'https://x.y', body: '{{ message.content | shout }}' } })).toEqual([
      expect.stringContaining('undefined filter: shout'),
    ])
  })

  it.each([
    ['a rule without a condition', { errors: [{ match: {}, class: 'config' }] }, 'errors[0].match: found no condition'],
    [
      'two sources of a wait',
      { errors: [{ match: { status: [429] }, class: 'rate_limited', retryAfter: [{ header: 'a', default: '1s' }] }] },
      'errors[0].retryAfter[0]: found header and default, expected exactly one of header, path, default',
    ],
    ['a rate without a time', { rates: [{ limit: 5 }] }, 'rates[0]: found neither concurrency nor limit with per'],
    [
      'a body that is none',
      { request: { url: 'https://x.y', encoding: 'form', body: 'text' } },
      'request.body: found "text", expected a mapping with the encoding form',
    ],
    [
      'a header of the connection',
      { request: { url: 'https://x.y', headers: { Host: 'z' } } },
      'request.headers.Host: found "Host", expected a header that the engine does not set itself',
    ],
    [
      'a pattern that may take forever',
      { config: { url: { type: 'string', pattern: '^(a+)+$', example: 'a' } } },
      'config.url.pattern: found "^(a+)+$", expected a regular expression without repeated groups',
    ],
    [
      'an example that is none',
      { config: { url: { type: 'integer', example: 'x' } } },
      'config.url.example: found "x", expected a whole number',
    ],
    ['an open URL that is called secret', { auth: { kind: 'url_secret' } }, 'request.url: found no secret field in it'],
    [
      'a fixture of a rule that is not there',
      { fixtures: [{ name: 'a', response: { status: 400 }, expect: { rule: 'gone' } }] },
      'fixtures[0].expect.rule: found "gone", expected the name of an error rule',
    ],
    [
      'another protocol',
      { request: { url: 'ftp://x.y' } },
      'request.url: found "ftp://x.y", expected an http: or https: URL',
    ],
    [
      '$each without $value',
      { request: { url: 'https://x.y', body: [{ $each: 'message.tags' }] } },
      'request.body[0]: found $each without $value',
    ],
    [
      'a word with braces',
      { request: { url: 'https://x.y', body: { $if: '{{ message.to }}' } } },
      'request.body.$if: found "{{ message.to }}", expected an expression without braces',
    ],
  ])('is refused with %s', (_, parts, line) => {
    expect(problemsOf(parts).join('\n')).toContain(line)
  })

  it('never throws, whatever the text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => void parseConnector(text, 'x')))
  })

  it('never throws, whatever stands in the place of one of its parts', () => {
    const keys = [
      'config',
      'request',
      'success',
      'errors',
      'auth',
      'limits',
      'rates',
      'maps',
      'describe',
      'fixtures',
      'receipts',
      'probe',
    ]
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.jsonValue(), (key, value) => {
        for (const line of problemsOf({ [key]: value })) expect(line).toMatch(/: found .+, expected .+/s)
      }),
    )
  })
})
