import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exampleMessage } from './example.suite.ts'
import { TemplateError } from './liquid.ts'
import { bindTemplate, compileTemplate, valueOf } from './template.ts'

const fixed = { config: { from: 'us', none: '' }, maps: { level: { HIGH: 1 } }, callback: { url: null } }

function setup(source: unknown) {
  const problems: string[] = []
  const template = compileTemplate(source, {
    path: [],
    locals: [],
    onLeaf: () => undefined,
    onProblem: (path, found) => void problems.push(`${path.join('.')}: ${found}`),
  })
  const bound = bindTemplate(template, fixed)
  const render = (message: object = {}) => valueOf(bound, { ...fixed, message: { ...exampleMessage, ...message } })
  return { bound, problems, render }
}

describe('a template', () => {
  it.each([
    [
      'one expression keeps its type',
      { a: '{{ message.data.n }}', b: '{{message.tags}}' },
      { data: { n: 5 } },
      { a: 5, b: ['a', 'b'] },
    ],
    ['text with expressions is text', { a: 'n={{ message.data.n }}!' }, { data: { n: 5 } }, { a: 'n=5!' }],
    [
      'what an expression left empty is left out',
      { a: '{{ message.title }}', b: '{{ config.none }}', c: ['{{ message.html }}', 'x'] },
      { title: '' },
      { c: ['x'] },
    ],
    [
      'what was written stays',
      { a: null, b: '', c: [null, ''], d: {}, e: [] },
      {},
      { a: null, b: '', c: [null, ''], d: {}, e: [] },
    ],
    ['objects that lost all their keys stay', { a: { b: '{{ message.title }}' } }, { title: null }, { a: {} }],
    [
      '$if keeps an object',
      [{ $if: 'message.title', t: '{{ message.title }}' }, { x: 1 }],
      { title: 'T' },
      [{ t: 'T' }, { x: 1 }],
    ],
    ['$if drops an object', { a: { $if: 'message.html', t: 1 }, b: [{ $if: 'message.html', t: 1 }] }, {}, { b: [] }],
    ['$if takes Liquid', { a: { $if: 'message.priority == "HIGH"', x: 1 } }, { priority: 'HIGH' }, { a: { x: 1 } }],
    ['$if of an empty list does not hold', { a: { $if: 'message.tags', x: 1 } }, { tags: [] }, {}],
    [
      '$each gives a list',
      { a: { $each: 'message.tags', $as: 'tag', $value: { name: '{{ tag }}' } } },
      {},
      { a: [{ name: 'a' }, { name: 'b' }] },
    ],
    ['$each in a list joins it', ['x', { $each: 'message.tags', $value: '{{ item }}' }, 'y'], {}, ['x', 'a', 'b', 'y']],
    ['$each of nothing is nothing', { a: { $each: 'message.data.list', $value: '{{ item }}' } }, {}, {}],
    [
      '$each within $each',
      {
        a: {
          $each: 'message.data.rows',
          $as: 'row',
          $value: { $each: 'row', $as: 'cell', $value: '{{ row[0] }}{{ cell }}' },
        },
      },
      { data: { rows: [[1, 2], [3]] } },
      { a: [['11', '12'], ['33']] },
    ],
    ['$merge puts keys under the own ones', { $merge: 'message.data', a: 1 }, { data: { a: 0, b: 2 } }, { a: 1, b: 2 }],
    ['$merge of no object is nothing', { $merge: 'message.tags', a: 1 }, {}, { a: 1 }],
    [
      '$merge of odd keys stays an object of its own',
      { $merge: 'message.data' },
      { data: JSON.parse('{"__proto__": {"x": 1}}') },
      JSON.parse('{"__proto__": {"x": 1}}'),
    ],
  ])('%s', (_, source, message, expected) => {
    const { problems, render } = setup(source)
    expect(problems).toEqual([])
    expect(render(message)).toEqual(expected)
  })

  it('is worked out once where no message is needed', () => {
    expect(setup({ a: ['{{ config.from }}', { b: '{{ "HIGH" | lookup: maps.level }}' }], c: 1 }).bound).toEqual({
      value: { a: ['us', { b: 1 }], c: 1 },
      literal: false,
    })
    expect(setup({ a: '{{ message.to }}' }).bound).not.toHaveProperty('value')
  })

  it('goes through a bounded list', () => {
    const { render } = setup({ $each: 'message.data.list', $value: 1 })
    expect(() => render({ data: { list: Array.from({ length: 1_001 }, () => 0) } })).toThrow(TemplateError)
  })

  it('is refused with words that mean nothing', () => {
    expect(setup({ $iff: 'x', a: 1 }).problems).toEqual(['$iff: the key "$iff"'])
    expect(setup({ $each: 'message.tags', $as: 'message', $value: 1 }).problems).toEqual(['$as: "message"'])
    expect(setup({ $each: 'message.tags', $value: 1, b: 1 }).problems).toEqual(['b: the key "b"'])
  })

  it('without expressions comes out as it went in, whatever it is', () => {
    const plain = fc
      .jsonValue({ noUnicodeString: false })
      .filter((value) => !/\{[{%]|"\$|__proto__/.test(JSON.stringify(value)))
    fc.assert(
      fc.property(plain, (source) => {
        expect(setup(source).render()).toEqual(source)
      }),
    )
  })

  it('gives JSON or a TemplateError for any message', () => {
    const source = {
      a: '{{ message.data.x }}',
      b: 'p {{ message.data.x.y }} q',
      c: { $if: 'message.data.x', d: '{{ message.data.x | default: 1 }}' },
      e: [{ $each: 'message.data.x', $value: { $merge: 'item', f: '{{ item.y | upcase }}' } }],
      g: '{{ message.data.x | string_values }}',
      h: '{{ message.data.x | truncate: 3 | url_encode }}',
    }
    const { render } = setup(source)
    fc.assert(
      fc.property(fc.jsonValue(), (x) => {
        try {
          expect(JSON.parse(JSON.stringify(render({ data: { x } })))).toBeTypeOf('object')
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError)
        }
      }),
    )
  })
})
