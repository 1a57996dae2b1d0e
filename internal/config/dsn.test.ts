import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { databaseUrl } from './dsn.ts'

function urlOf(raw: string): string {
  const parsed = databaseUrl(raw)
  return parsed.ok ? parsed.value : `refused: ${parsed.why ?? 'neither form'}`
}

describe('databaseUrl', () => {
  it.each([
    ['postgres://u:p@db:5433/app?sslmode=require', 'postgres://u:p@db:5433/app?sslmode=require'],
    ['postgresql://u@db/app', 'postgres://u@db/app'],
    ['POSTGRESQL://db', 'postgres://db/'],
    ['postgres:///app', 'postgres://localhost/app'],
    ['postgres://u:p@h1:5432,h2:5433/app', 'postgres://u:p@h1:5432,h2:5433/app'],
    ['postgres://h1,h2:5433/app?port=5432', 'postgres://h1:5432,h2:5432/app'],
    ['postgres:///app?host=db&user=u&password=p%26', 'postgres://u:p%26@db/app'],
    ['postgres://u:p@ss@db/app', 'postgres://u:p%40ss@db/app'],
    ['postgres://u:a:b@db/app', 'postgres://u:a%3Ab@db/app'],
    ['postgres://db/app?TimeZone=Europe/Berlin', 'postgres://db/app?TimeZone=Europe%2FBerlin'],
    ['postgres://db/app?sslmode=require&sslrootcert=system', 'postgres://db/app?sslmode=verify-full'],
  ])('normalises the URL %s', (raw, url) => {
    expect(urlOf(raw)).toBe(url)
  })

  it.each([
    ['host=db user=u password=p dbname=app sslmode=disable', 'postgres://u:p@db/app?sslmode=disable'],
    ['host=db port=5433 user=u dbname=app', 'postgres://u@db:5433/app'],
    ['dbname=app', 'postgres://localhost/app'],
    ['  host = db\n user\t= u ', 'postgres://u@db/'],
    ["host=db user=u password='a b'", 'postgres://u:a%20b@db/'],
    [String.raw`host=db user=u password='it\'s a \\'`, "postgres://u:it's%20a%20%5C@db/"],
    [String.raw`host=db user=u password=a\ b\\`, 'postgres://u:a%20b%5C@db/'],
    ["host=db user=u password='' dbname=app", 'postgres://u@db/app'],
    ["host=db user=u password=a'b", "postgres://u:a'b@db/"],
    ['host=db user=u password=a=b', 'postgres://u:a%3Db@db/'],
    ['host=a,b port=1,2 dbname=x', 'postgres://a:1,b:2/x'],
    ['host=a host=b', 'postgres://b/'],
    ['host=db database=app TimeZone=UTC', 'postgres://db/app?TimeZone=UTC'],
  ])('normalises the keywords %s', (raw, url) => {
    expect(urlOf(raw)).toBe(url)
  })

  it.each([
    ['mysql://db/app', 'neither form'],
    ['db.example', 'neither form'],
    ['postgres://u:a/b@db/app', 'percent-encoded'],
    ['postgres://u:12/b@db/app', 'percent-encoded'],
    ['postgres://u:a#b@db/app', 'percent-encoded'],
    ['postgres://u:a?b@db/app', 'percent-encoded'],
    ['postgres://u:50%@db/app', '%25'],
    ['postgres://db:99999/app', 'port'],
    ['postgres://db:0/app', 'port'],
    ['postgres://[::1]:5432/app', 'IPv6'],
    ['postgres:///app?host=/var/run/postgresql', 'Unix socket'],
    ['host=/var/run/postgresql dbname=app', 'Unix socket'],
    ['host=a,b,c port=1,2', 'as many ports as hosts'],
    ['host=db dbname="my app"', 'character 20'],
    ["host=db dbname='my app'", 'database name'],
    ["host=db password='open", 'character 18 is not closed'],
    ['host=db sslmode=sometimes', 'sslmode must be one of'],
    ['host=db sslcert=/a.pem', 'sslcert is not supported'],
    ['host=db sslrootcert=/ca.pem', 'NODE_EXTRA_CA_CERTS'],
    ['host=db target_session_attrs=best', 'target_session_attrs'],
    ['host=db user', 'character 9'],
  ])('refuses %s and says %s', (raw, why) => {
    expect(urlOf(raw)).toMatch(/^refused/)
    expect(urlOf(raw)).toContain(why)
  })

  it('leaves out parameters of other clients, and says so', () => {
    const parsed = databaseUrl(
      'postgres://db/app?schema=public&pgbouncer=true&target_session_attrs=any&application_name=x',
    )
    expect(parsed).toEqual({
      ok: true,
      value: 'postgres://db/app?application_name=x',
      notes: [
        'parameter schema is not used',
        'parameter pgbouncer is not used',
        'parameter target_session_attrs is not used',
      ],
    })
  })

  it('carries any user name and password unchanged, in both forms', () => {
    const word = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
    fc.assert(
      fc.property(word, word, (user, password) => {
        const quoted = [user, password].map((one) => `'${one.replace(/[\\']/g, String.raw`\$&`)}'`)
        const keywords = urlOf(`host=db user=${quoted[0]} password=${quoted[1]} dbname=app`)
        const url = new URL(keywords)
        expect([decodeURIComponent(url.username), decodeURIComponent(url.password)]).toEqual([user, password])
        expect(url.host + url.pathname).toBe('db/app')
        expect(urlOf(`postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@db/app`)).toBe(keywords)
      }),
    )
  })
})
