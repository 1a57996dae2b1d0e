import { describe, expect, it } from 'vitest'
import { classify } from './driver-errors.ts'
import { quoteIdentifier } from './identifier.ts'
import { splitStatements } from './migration-files.ts'
import { arrayLiteral, encodeParam, isUuid, storable, toParam } from './params.ts'

describe('parameters', () => {
  it('leave nothing for the driver to guess', () => {
    const at = new Date(0)
    expect([at, 1.5, 10n, true, null, 'x'].map(encodeParam)).toEqual([at.toISOString(), '1.5', '10', true, null, 'x'])
    expect(encodeParam([at, null, at])).toBe('{"1970-01-01T00:00:00.000Z",NULL,"1970-01-01T00:00:00.000Z"}')
    expect(encodeParam([true, false, 10n, 2])).toBe('{t,f,10,2}')
    expect(arrayLiteral(['a,b', '"', '\\', '', 'NULL', '{}'])).toBe('{"a,b","\\"","\\\\","","NULL","{}"}')
    expect(encodeParam([])).toBe('{}')
  })

  it('are refused when they are no plain value', () => {
    expect(() => toParam({})).toThrow(TypeError)
    expect(() => toParam([undefined])).toThrow(TypeError)
    expect(toParam(['a', 1])).toEqual(['a', 1])
  })

  it('lose NUL and what is too long where nobody validated them', () => {
    expect(storable('a\0b\0c', 2)).toBe('ab')
    expect(storable(null, 2)).toBeNull()
  })

  it('know an id when they see one', () => {
    expect(isUuid('01890000-0000-7000-8000-00000000000A')).toBe(true)
    expect(
      ['', '01890000', '01890000-0000-7000-8000-00000000000g', ' 01890000-0000-7000-8000-000000000000'].some(isUuid),
    ).toBe(false)
  })
})

describe('identifiers', () => {
  it('are quoted', () => {
    expect(['dispatch', 'My-Schema', '_x$1'].map(quoteIdentifier)).toEqual(['"dispatch"', '"My-Schema"', '"_x$1"'])
  })

  it.each(['', '1x', 'a"b', 'a.b', 'a b', 'ä', 'x'.repeat(64)])('refuse %j', (name) => {
    expect(() => quoteIdentifier(name)).toThrow(RangeError)
  })
})

describe('a file outside a transaction', () => {
  it('is split at semicolons that end a line', () => {
    const text = "-- no-transaction\nCREATE INDEX a ON t (x);\n\n-- why; because\nSELECT 'a;b' ;  \n-- the end\n"
    expect(splitStatements(text)).toEqual([
      '-- no-transaction\nCREATE INDEX a ON t (x)',
      "-- why; because\nSELECT 'a;b'",
    ])
  })
})

describe('an error that is not from PostgreSQL', () => {
  it('means a lost link, unless the driver was misused', () => {
    const coded = (code: string) => Object.assign(new Error(`${code} happened`), { code })
    expect(classify(coded('ECONNREFUSED'), 's').kind).toBe('link')
    expect(classify(coded('CONNECTION_CLOSED'), 's').kind).toBe('link')
    expect(classify(new TypeError('secret'), 's')).toMatchObject({
      kind: 'link',
      error: { code: 'dependency_unavailable' },
    })
    expect(classify(new TypeError('secret'), 's').error.message).not.toContain('secret')
    expect(classify(coded('UNDEFINED_VALUE'), 's').kind).toBe('refused')
  })
})
