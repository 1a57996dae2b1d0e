import { describe, expect, it } from 'vitest'
import { BlockedAddressError } from './blocked.ts'
import { egress, send, target, toLookupAddress } from './loopback.suite.ts'

/** Every one leads to what is not public, somehow. */
const hosts = words(`
  127.0.0.1 127.1 127.0.1 127.0.0.01 127.255.255.254 2130706433 0x7f000001 0X7F000001 017700000001 0x7f.1
  0x7f.0x0.0x0.0x1 0177.0.0.1 0177.0.0.01 00000177.1 127.0x1 0x7f.0.1 127.0.0.1. 0x7f.1. 0 0.0.0.0 0x0 00 0.0 0.1.2.3
  10.0.0.1 10.1 0xa000001 012.0.0.1 167772161 172.16.0.1 172.31.255.255 192.168.1.1 192.168.257 3232235777
  0xc0.0xa8.1.1 0300.0250.1.1 169.254.169.254 169.254.43518 2852039166 0xa9fea9fe 0251.0376.0251.0376
  0xa9.254.169.0376 100.64.0.1 100.100.100.200 168.63.129.16 192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1
  203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 4294967295 0xffffffff

  ①②⑦.⓪.⓪.① １２７.０.０.１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 %31%32%37.0.0.1 127.0.0.1%00 127.0.0.1%09 𝟏𝟐𝟕.𝟎.𝟎.𝟏 ①②⑦.1
  ０ｘ７ｆ.1 127%2E0%2E0%2E1 1\u00ad27.0.0.1 127.\u200b0.0.1 ²130706433 ₁₂₇.0.0.1 ₀.₀.₀.₀ 127.0.0.%31 %30%78%37%66.1

  [::1] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::] [::0001] [0::1] [::127.0.0.1] [::7f00:1]
  [::ffff:127.0.0.1] [::FFFF:7F00:1] [0:0:0:0:0:ffff:7f00:0001] [0::ffff:7f00:1] [::ffff:a9fe:a9fe] [::ffff:10.0.0.1]
  [::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] [64:FF9B::7F00:1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::7f00:1] [2002:7f00:1::]
  [2002:a9fe:a9fe::1] [2001:0:7f00:1::1] [fc00::1] [fd00:ec2::254] [FD00:EC2::254] [fe80::1] [fe80::1%25lo] [fe80::1%lo]
  [fec0::1] [ff02::1] [100::1] [2001:db8::1] [3fff::1] [5f00::1] [::1%25lo] [::1.2.3.4] [4000::1] [::ffff:127.1]

  localhost LOCALHOST LocalHost. a.localhost ｌｏｃａｌｈｏｓｔ loc%61lhost ⓛⓞⓒⓐⓛⓗⓞⓢⓣ private.example PRIVATE.example.
  loopback6.example mapped.example nat64.example metadata.google.internal zoned.example mixed.example
`)

const names: ReadonlyMap<string, readonly string[]> = new Map([
  ['private.example', ['192.168.0.1']],
  ['private.example.', ['10.0.0.1']],
  ['loopback6.example', ['::1']],
  ['mapped.example', ['::ffff:127.0.0.1']],
  ['nat64.example', ['64:ff9b::7f00:1']],
  ['metadata.google.internal', ['169.254.169.254']],
  ['zoned.example', ['fe80::1%lo']],
  ['mixed.example', ['8.8.8.8', '127.0.0.1']],
])

/** Forms around the host that have led readers of URLs astray. */
const aroundTheHost = [
  'http://example.com@127.0.0.1:PORT/',
  'http://u:p@[::1]:PORT/',
  'http://127.0.0.1:PORT#@example.com/',
  'http://127.0.0.1:PORT?@example.com/',
  'http://127.0.0.1:PORT\\@example.com/',
  'http://localhost:PORT/@example.com',
  'http:127.0.0.1:PORT',
  'http:/127.0.0.1:PORT',
  'http:\\\\127.0.0.1:PORT\\',
  'http:///127.0.0.1:PORT/',
  'HTTP://127.0.0.1:PORT/',
  ' http://127.0.0.1:PORT/',
  'ht\ntp://127.0.0.1:PORT/',
  'http://127.0.0.1\t:PORT/',
  'http://127.0.0.1:0PORT/',
  'https://127.0.0.1:PORT/',
  'https://[::1]:PORT/',
]

const spellings = [...hosts.map((host) => `http://${host}:PORT/`), ...aroundTheHost]

describe('a way to what is not public', () => {
  it('has far more than eighty spellings', () => expect(new Set(spellings).size).toBeGreaterThan(130))

  it.each(spellings)('is refused as %j, and nothing is dialled', async (spelling) => {
    const listener = await target()
    const url = spelling.replace('PORT', String(listener.port))
    const out = egress({ stopMaxMs: 0 }, async (name) => (names.get(name) ?? []).map(toLookupAddress))
    const error = await send(out, url).catch((thrown: unknown) => thrown)
    const parsed = URL.parse(url)
    if (parsed === null) expect(error).toMatchObject({ code: 'ERR_INVALID_URL' })
    else expect(error).toBeInstanceOf(BlockedAddressError)
    // Only a name has to be resolved before anything can be said against it.
    expect(out.check(url) === null).toBe(names.has(parsed?.hostname ?? ''))
    expect([listener.connections(), listener.requests.length]).toEqual([0, 0])
  })
})

function words(text: string): readonly string[] {
  return text.split(/[ \n]+/).filter((word) => word !== '')
}
