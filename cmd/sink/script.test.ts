import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseScript, scriptInContent, scriptOfPath, stepFor } from './script.ts'

function scriptOf(text: string) {
  const parsed = parseScript(text)
  if (!parsed.ok) throw new Error(parsed.problem)
  return parsed.script
}

describe('parseScript', () => {
  it('reads every word of the grammar, separated by blanks or commas', () => {
    expect(
      scriptOf('503 429:7,slow:2000 hang reset drop drip drip:5:10 huge huge:9 redirect messageid-header'),
    ).toEqual([
      { kind: 'status', status: 503, retryAfterSeconds: null },
      { kind: 'status', status: 429, retryAfterSeconds: 7 },
      { kind: 'slow', delayMs: 2_000 },
      { kind: 'hang' },
      { kind: 'reset' },
      { kind: 'drop' },
      { kind: 'drip', bytes: 1_000, everyMs: 100 },
      { kind: 'drip', bytes: 5, everyMs: 10 },
      { kind: 'huge', bytes: 10_485_760 },
      { kind: 'huge', bytes: 9 },
      { kind: 'redirect' },
      { kind: 'messageid-header' },
    ])
  })

  it.each([
    '',
    ' , ',
    'nonsense',
    '99',
    '600',
    '100',
    '503:x',
    '503:1:2',
    'slow',
    'slow:999999999',
    'hang:1',
    'huge:-1',
    '2000',
  ])('refuses "%s" and says why', (text) => {
    expect(parseScript(text)).toEqual({ ok: false, problem: expect.any(String) })
  })

  it('never throws, whatever it is given', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof parseScript(text).ok === 'boolean'))
  })
})

describe('stepFor', () => {
  it('gives the n-th answer to the n-th delivery and repeats the last', () => {
    const script = scriptOf('503 429 200')
    const statuses = [0, 1, 2, 3, 50].map((delivery) => stepFor(script, delivery))
    expect(statuses).toMatchObject([
      { status: 503 },
      { status: 429 },
      { status: 200 },
      { status: 200 },
      { status: 200 },
    ])
  })
})

describe('scriptInContent', () => {
  it('finds the script wherever it stands, and nothing where there is none', () => {
    expect(scriptInContent('Hello [sink 503 200] world')).toEqual({ ok: true, script: scriptOf('503 200') })
    expect(scriptInContent('the kitchen [sink] leaks')).toBeNull()
    expect(scriptInContent('[sink oops]')).toMatchObject({ ok: false })
  })
})

describe('scriptOfPath', () => {
  it.each([
    ['/', '200'],
    ['/status/503', '503'],
    ['/status/429?retry-after=7', '429:7'],
    ['/slow/2000', 'slow:2000'],
    ['/hang', 'hang'],
    ['/reset', 'reset'],
    ['/drop', 'drop'],
    ['/drip?bytes=3&every=10', 'drip:3:10'],
    ['/drip?every=10', 'drip:1000:10'],
    ['/huge?bytes=7', 'huge:7'],
    ['/huge', 'huge'],
    ['/redirect', 'redirect'],
    ['/messageid-header', 'messageid-header'],
    ['/script/503,503,200', '503 503 200'],
  ])('reads %s as %s', (path, script) => {
    const url = new URL(path, 'http://sink')
    expect(scriptOfPath(url.pathname, url.searchParams)).toEqual({ ok: true, script: scriptOf(script) })
  })

  it('knows no other path', () => {
    for (const path of ['/nowhere', '/status', '/status/503/x', '/hang/1']) {
      expect(scriptOfPath(path, new URLSearchParams())).toBeNull()
    }
    expect(scriptOfPath('/status/abc', new URLSearchParams())).toMatchObject({ ok: false })
  })
})
