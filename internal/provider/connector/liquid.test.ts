import { describe, expect, it } from 'vitest'
import { compileLiquid, TemplateError } from './liquid.ts'

const scope = {
  message: { content: 'a<b&c *x*', title: null, to: 'x', tags: ['a', 'b'], data: { n: 5, o: { x: 1 }, empty: {} } },
  maps: { level: { HIGH: 5 } },
}
const evaluate = (text: string, from = scope) => compileLiquid(text).evaluate(from)

describe('templates', () => {
  it.each([
    ['{{ message.data.n }}', 5],
    ['{{ message.data.o }}', { x: 1 }],
    ['x{{ message.data.o }}y', 'x{"x":1}y'],
    ['{{ message.title | default: message.content | truncate: 5 }}', 'a<...'],
    ['{{ "HIGH" | lookup: maps.level }}', 5],
    ['{{ "constructor" | lookup: maps.level }}', null],
    ['{{ "HIGH" | lookup: maps.missing }}', null],
    ['{{ message.data | string_values }}', { n: '5', o: '{"x":1}', empty: '{}' }],
    ['{{ message.data.empty | string_values }}', null],
    ['{{ message.content | escape_slack }}', 'a&lt;b&amp;c *x*'],
    ['{{ "a_b*c [d](e) 1.2!" | escape_telegram_md }}', String.raw`a\_b\*c \[d\]\(e\) 1\.2\!`],
    ['{% if message.title %}yes{% else %}no{% endif %}', 'no'],
    ['{% for tag in message.tags %}[{{ tag }}]{% endfor %}', '[a][b]'],
    ['{{ "😀😀😀" | truncate: 2, "" }}', '😀😀'],
    ['{{ message.missing.deeper }}', undefined],
  ])('%s gives %j', (text, expected) => expect(evaluate(text)).toEqual(expected))

  it('say what they read from outside', () => {
    expect(compileLiquid('{% for t in message.tags %}{{ t }}{{ config.a }}{% endfor %}').reads).toEqual(
      expect.arrayContaining([
        ['message', 'tags'],
        ['config', 'a'],
      ]),
    )
    expect(compileLiquid('{{ message[message.to].x }}').reads).toContainEqual(['message'])
  })

  it.each([
    '{{ message.constructor }}',
    '{{ message.__proto__ }}',
    '{{ message.content.constructor }}',
    '{{ message.tags.constructor.constructor }}',
    '{{ message["const" | append: "ructor"] }}',
    '{{ message.tags.map }}',
  ])('see nothing that an object inherits (%s)', (text) => expect(evaluate(text) ?? null).toBeNull())

  it.each([
    '{% include "x" %}',
    '{% render "x" %}',
    '{% layout "x" %}',
    '{% capture x %}a{% endcapture %}',
    '{% increment message %}',
    '{% tablerow i in (1..9) %}{% endtablerow %}',
    '{{ "x" | nothing }}',
    '{{ ',
    '{% if %}',
    `{{ "${'x'.repeat(20_000)}" }}`,
  ])('are refused before they run (%.40s)', (text) => expect(() => compileLiquid(text)).toThrow(TemplateError))

  it.each([
    ['a loop of 10^8', '{% for i in (1..100000000) %}x{% endfor %}'],
    [
      'loops in loops',
      '{% for i in (1..9999) %}{% for j in (1..9999) %}{% for k in (1..9999) %}x{% endfor %}{% endfor %}{% endfor %}',
    ],
    [
      'a text that doubles',
      '{% assign a = "xxxxxxxxxx" %}{% for i in (1..40) %}{% assign a = a | append: a %}{% endfor %}{{ a }}',
    ],
    ['a long output', `{% for i in (1..900000) %}${'x'.repeat(2_000)}{% endfor %}`],
    [
      'filters over filters',
      `{% for i in (1..100000) %}{{ message.content | url_encode | url_encode | size }}{% endfor %}`,
    ],
  ])('are stopped in %s', (_, text) => expect(() => evaluate(text)).toThrow(/limit/))

  it('leave the scope as it was', () => {
    const before = structuredClone(scope)
    evaluate('{% assign message = "x" %}{% assign maps = 1 %}{{ message }}')
    expect(scope).toEqual(before)
  })

  it('tell nothing of the values in their errors', () => {
    const secret = { ...scope, message: { ...scope.message, content: 'sesame'.repeat(200_000) } }
    expect(() => evaluate('{{ message.content | url_encode | append: "x" }}', secret)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('sesame') }),
    )
  })
})
