import { databaseUrl } from './dsn.ts'
import type { Parsed, Parser } from './parsers.ts'

export type DatabaseTarget = { readonly kind: 'embedded' } | { readonly kind: 'external'; readonly url: string }
export type BrokerTarget = { readonly kind: 'memory' } | { readonly kind: 'rabbitmq'; readonly url: string }
export type RedisTarget = { readonly kind: 'memory' } | { readonly kind: 'redis'; readonly url: string }

const torn = 'characters such as @ / ? # in user name or password must be percent-encoded'

function decodes(part: string): boolean {
  try {
    decodeURIComponent(part)
    return true
  } catch {
    return false
  }
}

/**
 * A URL of a server that is reached with user name and password. Stricter than the URL standard: what an unescaped
 * password makes of the rest (`@` in the path, a fragment) would otherwise point to a wrong host without a word.
 */
function serverUrl(schemes: readonly string[], raw: string, path: RegExp): Parsed<string> {
  if (!schemes.some((scheme) => raw.toLowerCase().startsWith(`${scheme}://`))) return { ok: false }
  const url = URL.parse(raw)
  if (url === null) return { ok: false, why: torn }
  if (url.hash !== '' || `${url.pathname}${url.search}`.includes('@')) return { ok: false, why: torn }
  if (url.hostname === '') return { ok: false, why: 'the host is missing' }
  if (!decodes(url.username) || !decodes(url.password)) return { ok: false, why: 'a bare % must be written %25' }
  if (!path.test(url.pathname) || !decodes(url.pathname)) return { ok: false, why: 'the part after the host is wrong' }
  return { ok: true, value: raw }
}

/** Puts the built-in part beside the real one: `word` alone chooses it. */
function orBuiltIn<A, B>(word: string, builtIn: A, parsed: (raw: string) => Parsed<B>) {
  return (raw: string): Parsed<A | B> => (raw.toLowerCase() === word ? { ok: true, value: builtIn } : parsed(raw))
}

function map<A, B>(parsed: Parsed<A>, change: (value: A) => B): Parsed<B> {
  return parsed.ok ? { ...parsed, value: change(parsed.value) } : parsed
}

export const databaseTarget: Parser<DatabaseTarget> = {
  expected:
    'a postgres:// or postgresql:// URL, libpq keywords (host=… user=… dbname=… sslmode=disable), or embedded: for the built-in one',
  parse: orBuiltIn<DatabaseTarget, DatabaseTarget>('embedded:', { kind: 'embedded' }, (raw) =>
    map(databaseUrl(raw), (url) => ({ kind: 'external', url })),
  ),
}

export const brokerTarget: Parser<BrokerTarget> = {
  expected: 'an amqp:// or amqps:// URL, or memory: for the built-in broker',
  parse: orBuiltIn<BrokerTarget, BrokerTarget>('memory:', { kind: 'memory' }, (raw) =>
    map(serverUrl(['amqp', 'amqps'], raw, /^(\/[^/]*)?$/), (url) => ({ kind: 'rabbitmq', url })),
  ),
}

export const redisTarget: Parser<RedisTarget> = {
  expected: 'a redis:// or rediss:// URL, or memory: for the built-in limiter',
  parse: orBuiltIn<RedisTarget, RedisTarget>('memory:', { kind: 'memory' }, (raw) =>
    map(serverUrl(['redis', 'rediss'], raw, /^\/?\d*$/), (url) => ({ kind: 'redis', url })),
  ),
}

export const proxyUrl: Parser<string> = {
  expected: 'an http:// or https:// URL of a proxy',
  parse: (raw) => serverUrl(['http', 'https'], raw, /^\/?$/),
}

export const webhookUrl: Parser<string> = {
  expected: 'an http:// or https:// URL (user:password@ is sent as basic authorization)',
  parse(raw) {
    const url = /^https?:\/\//i.test(raw) ? URL.parse(raw) : null
    if (url === null) return { ok: false }
    if (!decodes(url.username) || !decodes(url.password)) return { ok: false, why: 'a bare % must be written %25' }
    return { ok: true, value: url.href }
  },
}
