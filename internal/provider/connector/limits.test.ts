import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { connectorOf, exampleMessage } from './example.suite.ts'
import { checkLimits, formatLimitProblem } from './limits.ts'

function check(limits: object, message: Partial<typeof exampleMessage>, rates: readonly object[] = []) {
  return checkLimits(connectorOf({ limits, rates }), { ...exampleMessage, ...message })
}
function contentsOf(limits: object, content: string): readonly string[] {
  const result = check(limits, { content })
  return result.ok ? result.messages.map((message) => message.content) : []
}

describe('limits', () => {
  it('let through what fits as it is', () => {
    const message = { ...exampleMessage, content: 'x'.repeat(160) }
    expect(checkLimits(connectorOf({ limits: { content: { max: 160 } } }), message)).toEqual({
      ok: true,
      messages: [message],
      truncated: [],
      segments: null,
    })
  })

  it.each([
    ['chars', '😀😀😀', 3],
    ['utf16', '😀😀😀', 6],
    ['bytes', '😀ä', 6],
  ])('count %s', (unit, content, measured) => {
    expect(check({ content: { max: measured, unit } }, { content })).toMatchObject({ ok: true })
    expect(check({ content: { max: measured - 1, unit } }, { content })).toEqual({
      ok: false,
      problem: { field: 'content', limit: measured - 1, unit, measured },
    })
  })

  it('name the field, the limit and what was measured', () => {
    const result = check({ title: { max: 3 } }, { title: 'title' })
    expect(result.ok ? '' : formatLimitProblem(result.problem)).toBe(
      'title is 5 chars long, this connector takes at most 3',
    )
  })

  it('measure data as JSON in bytes', () => {
    expect(check({ data: { maxBytes: 9 } }, { data: { a: 'ä' } })).toMatchObject({
      ok: false,
      problem: { measured: 10, unit: 'bytes' },
    })
    expect(check({ data: { maxBytes: 10 } }, { data: { a: 'ä' } })).toMatchObject({ ok: true })
  })

  it('shorten with an ellipsis, between characters as people see them', () => {
    expect(contentsOf({ content: { max: 5, overflow: 'truncate' } }, 'abcdefgh')).toEqual(['abcd…'])
    expect(contentsOf({ content: { max: 4, unit: 'bytes', overflow: 'truncate' } }, 'abcdefgh')).toEqual(['a…'])
    expect(contentsOf({ content: { max: 5, unit: 'utf16', overflow: 'truncate' } }, 'x👩‍👩‍👧yyy')).toEqual(['x…'])
    expect(check({ title: { max: 3, overflow: 'truncate' } }, { title: 'title' })).toMatchObject({
      ok: true,
      messages: [{ title: 'ti…' }],
      truncated: ['title'],
    })
  })

  it('split after lines and words', () => {
    expect(contentsOf({ content: { max: 12, overflow: 'split' } }, 'one two three four five')).toEqual([
      'one two',
      'three four',
      'five',
    ])
    expect(contentsOf({ content: { max: 12, overflow: 'split' } }, 'one two\nthree four')).toEqual([
      'one two',
      'three four',
    ])
    expect(contentsOf({ content: { max: 4, overflow: 'split' } }, 'abcdefghij')).toEqual(['abcd', 'efgh', 'ij'])
  })

  it('give each part a key of its own, and title and data to the first', () => {
    const result = check({ content: { max: 3, overflow: 'split' } }, { content: 'abcdef', data: { a: 1 } })
    const messages = result.ok ? result.messages : []
    expect(messages.map(({ key, title, data }) => [key, title, data])).toEqual([
      [exampleMessage.key, 'A title', { a: 1 }],
      [`${exampleMessage.key}#2`, null, null],
    ])
  })

  it('split into no more parts than allowed', () => {
    expect(check({ content: { max: 2, overflow: 'split', maxParts: 3 } }, { content: 'abcdefgh' })).toEqual({
      ok: false,
      problem: { field: 'content', limit: 3, unit: 'parts', measured: 4 },
    })
  })

  it.each([
    ['a'.repeat(160), 1],
    ['a'.repeat(161), 2],
    ['a'.repeat(306), 2],
    ['a'.repeat(307), 3],
    ['€'.repeat(80), 1],
    ['€'.repeat(81), 2],
    ['ж'.repeat(70), 1],
    ['ж'.repeat(71), 2],
    ['ж'.repeat(134), 2],
    ['ж'.repeat(135), 3],
  ])('count the segments of an SMS (%.1s…)', (content, segments) => {
    expect(check({ segments: { max: 9 } }, { content })).toMatchObject({ ok: true, segments })
    expect(check({}, { content }, [{ limit: 1, per: '1s', cost: 'segments' }])).toMatchObject({ segments })
    if (segments > 1) {
      const problem = { field: 'segments', limit: segments - 1, unit: 'segments', measured: segments }
      expect(check({ segments: { max: segments - 1 } }, { content })).toEqual({ ok: false, problem })
    }
  })

  it('never give a part that is too long, and lose nothing but blanks', () => {
    const text = fc.string({
      unit: fc.oneof(
        fc.constantFrom(' ', '\n', 'a', 'é', '😀', '👩‍👩‍👧', 'e\u0301'),
        fc.string({ unit: 'binary', maxLength: 1 }),
      ),
      maxLength: 60,
    })
    const size = {
      chars: (one: string) => Array.from(one).length,
      utf16: (one: string) => one.length,
      bytes: (one: string) => Buffer.byteLength(one),
    }
    const without = (one: string) => one.replaceAll(/\s/g, '')
    fc.assert(
      fc.property(
        text,
        fc.constantFrom('chars', 'utf16', 'bytes'),
        fc.integer({ min: 4, max: 12 }),
        (content, unit, max) => {
          const parts = contentsOf({ content: { max, unit, overflow: 'split', maxParts: 20 } }, content)
          const [short = ''] = contentsOf({ content: { max, unit, overflow: 'truncate' } }, content)
          for (const part of [...parts, short]) expect(size[unit](part)).toBeLessThanOrEqual(max)
          if (parts.length > 0 && content.isWellFormed()) expect(without(parts.join(''))).toBe(without(content))
        },
      ),
    )
  })
})
