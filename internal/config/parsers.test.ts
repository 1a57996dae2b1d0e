import { describe, expect, it } from 'vitest'
import {
  boolean,
  duration,
  identifier,
  integer,
  listOf,
  matching,
  oneOf,
  origin,
  type Parser,
  port,
  text,
} from './parsers.ts'
import { brokerTarget, databaseTarget, redisTarget, webhookUrl } from './urls.ts'

function valueOf<T>(parser: Parser<T>, raw: string): T | null {
  const parsed = parser.parse(raw)
  return parsed.ok ? parsed.value : null
}

function refuses(parser: Parser<unknown>, raws: readonly string[]): void {
  for (const raw of raws) expect([raw, valueOf(parser, raw)]).toEqual([raw, null])
}

describe('the parsers of settings', () => {
  it('take durations only within their bounds, ends included', () => {
    const parser = duration('100ms', '1m')
    expect([valueOf(parser, '100'), valueOf(parser, '1m')]).toEqual([100, 60_000])
    refuses(parser, ['99ms', '61s', 'soon', '-1s'])
    expect(parser.expected).toBe('a duration from 100ms to 1m')
  })

  it('take whole numbers only, within their bounds', () => {
    const parser = integer(1, 100)
    expect([valueOf(parser, '1'), valueOf(parser, '100'), valueOf(parser, '007')]).toEqual([1, 100, 7])
    refuses(parser, ['0', '101', '1.5', '1e1', '0x10', 'ten', '-1', '1_0', 'NaN', 'Infinity'])
  })

  it('take ports, 0 included, and know the variables that Kubernetes sets', () => {
    expect([valueOf(port, '0'), valueOf(port, '65535')]).toEqual([0, 65_535])
    refuses(port, ['65536', '-1', 'http'])
    expect(port.parse('tcp://10.0.0.1:80')).toEqual({ ok: false, why: expect.stringContaining('enableServiceLinks') })
  })

  it('take every usual word for yes and no', () => {
    for (const word of ['1', 'true', 'TRUE', 'yes', 'on']) expect(valueOf(boolean, word)).toBe(true)
    for (const word of ['0', 'false', 'No', 'off']) expect(valueOf(boolean, word)).toBe(false)
    refuses(boolean, ['2', 'y', 'enabled'])
  })

  it('take words in any case, with their synonyms', () => {
    const parser = oneOf(['json', 'pretty'], { text: 'pretty' })
    expect([valueOf(parser, 'JSON'), valueOf(parser, 'Text')]).toEqual(['json', 'pretty'])
    refuses(parser, ['xml', 'constructor', '__proto__'])
  })

  it('take lists with spaces and repeats, but no wrong and no missing item', () => {
    const parser = listOf(oneOf(['a', 'b']))
    expect(valueOf(parser, ' b , a,B,')).toEqual(['b', 'a'])
    refuses(parser, ['a,c', ',', ' , '])
  })

  it('take text without control characters', () => {
    expect(valueOf(text('a path', 5), 'ä/b c')).toBe('ä/b c')
    refuses(text('a path', 5), ['a\nb', 'a\u0000', 'abcdef'])
    refuses(matching(/^x+$/, 'x'), ['y'])
  })

  it('take PostgreSQL names that need no quotes', () => {
    expect(valueOf(identifier, 'dispatch_2')).toBe('dispatch_2')
    refuses(identifier, ['Dispatch', '2a', 'a-b', 'a.b', 'pg_x', 'information_schema', 'a'.repeat(64), 'a"b'])
  })

  it('take origins as browsers write them', () => {
    expect(valueOf(origin, 'https://App.example.com/')).toBe('https://app.example.com')
    expect(valueOf(origin, 'http://localhost:3000')).toBe('http://localhost:3000')
    expect(valueOf(origin, '*')).toBe('*')
    refuses(origin, [
      'app.example.com',
      'https://a.example/path',
      'https://a.example?x',
      'ftp://a',
      'https://u:p@a',
      'null',
    ])
  })

  it('take servers by their scheme, and words for built-in parts in any case', () => {
    expect(valueOf(databaseTarget, 'EMBEDDED:')).toEqual({ kind: 'embedded' })
    expect(valueOf(brokerTarget, 'memory:')).toEqual({ kind: 'memory' })
    expect(valueOf(redisTarget, 'Memory:')).toEqual({ kind: 'memory' })
    const amqp = 'amqps://u:p%40w@mq.example:5671/v%2Fhost?heartbeat=5'
    expect(valueOf(brokerTarget, amqp)).toEqual({ kind: 'rabbitmq', url: amqp })
    expect(valueOf(redisTarget, 'rediss://:p@r.example:6380/2')).toEqual({
      kind: 'redis',
      url: 'rediss://:p@r.example:6380/2',
    })
    refuses(databaseTarget, ['memory:', 'mysql://h/db', 'somewhere', 'embedded:/var/data'])
    refuses(brokerTarget, ['embedded:', 'amqp:', 'amqp://', 'http://h', 'amqp://h/a/b', 'amqp://h:99999'])
    refuses(redisTarget, ['redis://', 'redis://h/notanumber', 'localhost:6379', 'redis:///0'])
  })

  it('refuse server URLs that an unescaped password has torn', () => {
    refuses(brokerTarget, ['amqp://u:1/2@h', 'amqp://u:1#2@h', 'amqp://u:1?2@h', 'amqp://u:1%@h'])
    refuses(redisTarget, ['redis://u:1/2@h', 'redis://u:a#b@h', 'redis://:%zz@h'])
  })

  it('take webhook addresses over HTTP, with credentials that can be decoded', () => {
    expect(valueOf(webhookUrl, 'https://webhook.site/abc?x=@y')).toBe('https://webhook.site/abc?x=@y')
    expect(valueOf(webhookUrl, 'http://u:p%25@h')).toBe('http://u:p%25@h/')
    refuses(webhookUrl, ['webhook.site/abc', 'ftp://h/', 'https://u:%zz@h/', 'https://', 'http:/h'])
  })
})
