import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileLiquid, TemplateError } from './liquid.ts'
import { compilePlainLiquid } from './plain-liquid.ts'

const scopes = fc.record({
  message: fc.record({
    title: fc.oneof(fc.string(), fc.constant(null), fc.constant(false), fc.constant('')),
    priority: fc.constantFrom('HIGH', 'LOW', 'toString', 3, null),
    data: fc.oneof(fc.jsonValue(), fc.record({ a: fc.jsonValue() })),
  }),
  maps: fc.constant({ table: { HIGH: 2, LOW: null, '3': ['x'] } }),
})

const words = fc.stringMatching(/^[a-z <>&\n'"|%}-]{0,8}$/).filter((text) => !/[%}]\}/.test(`${text}}`))
const paths = fc.constantFrom('message.title', 'message.priority', 'message.data', 'message.data.a', 'message.none.b')
const outputs = fc
  .tuple(paths, fc.constantFrom('', ' | escape_slack', ' | lookup: maps.table', '|lookup:maps.table '))
  .map(([path, filter]) => `{{ ${path}${filter} }}`)
const flat = fc.array(fc.oneof(words, outputs), { maxLength: 3 }).map((parts) => parts.join(''))
const branches = fc
  .tuple(paths, flat, fc.option(flat))
  .map(([path, then, other]) => `{% if ${path} %}${then}${other === null ? '' : `{%else%}${other}`}{% endif %}`)
const nested = fc
  .tuple(paths, flat, branches, flat)
  .map(([path, before, inner, after]) => `{%if ${path} %}${before}${inner}${after}{% endif %}`)
const templates = fc.array(fc.oneof(words, outputs, branches, nested), { maxLength: 4 }).map((parts) => parts.join(''))

describe('compilePlainLiquid', () => {
  it('gives what Liquid gives, and reads what Liquid reads', () => {
    fc.assert(
      fc.property(templates, scopes, (text, scope) => {
        const plain = compilePlainLiquid(text)
        if (plain === null) return
        const liquid = compileLiquid(text)
        expect(plain.isExpression).toBe(liquid.isExpression)
        // Liquid has no word for what is not there; both leave it out of a request.
        expect(plain.evaluate(scope) ?? null).toEqual(liquid.evaluate(scope) ?? null)
        const namesOf = (reads: readonly (readonly string[])[]) => new Set(reads.map((names) => names.join('.')))
        expect(namesOf(plain.reads)).toEqual(namesOf(liquid.reads))
      }),
      { numRuns: 500 },
    )
  })

  it('is bounded like Liquid', () => {
    const plain = compilePlainLiquid('{{ message.title }}{{ message.title }}')
    expect(() => plain?.evaluate({ message: { title: 'x'.repeat(600_000) } })).toThrow(TemplateError)
  })

  it.each([
    '{{ message.title }}',
    'a {{ message.title }} b',
    '{{ message.priority | lookup: maps.table }}',
    '{% if message.title %}*{{ message.title | escape_slack }}*\n{% endif %}{{ message.content | escape_slack }}',
    '{% if message.title %}a{% else %}b{% endif %}',
  ])('takes %j', (text) => {
    expect(compilePlainLiquid(text)).not.toBeNull()
  })

  it.each([
    '{{ message.title | upcase }}',
    '{{ message.tags.size }}',
    '{{- message.title }}',
    '{% if message.title == "x" %}a{% endif %}',
    '{% if message.title %}a',
    'a{% endif %}',
    '{% else %}',
    '{% if message.a %}{% else %}{% else %}{% endif %}',
    '{% raw %}{{ message.title }}{% endraw %}',
    '{{ message.title }} }}',
  ])('leaves %j to Liquid', (text) => {
    expect(compilePlainLiquid(text)).toBeNull()
  })
})
